#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "io/disk.h"
#include "tests/sim/disk.h"

namespace sluice::sim {

/// An open file of a SimDisk.
class SimFile final : public io::File {
 public:
  SimFile(SimDisk& disk, InodeId inode, std::string path, bool writable)
      : disk_(disk), inode_(inode), path_(std::move(path)), writable_(writable) {}
  ~SimFile() override { disk_.close(inode_); }

  io::Task<Result<size_t>> read_at(uint64_t position, MutableBytes out, io::Lane lane) override;
  io::Task<Result<>> write_at(uint64_t position, std::span<const ByteView> parts,
                              io::Lane lane) override;
  io::Task<Result<>> sync(io::Lane lane) override;
  io::Task<Result<>> start_write_back(uint64_t position, uint64_t length) override;
  io::Task<Result<>> allocate(uint64_t position, uint64_t length) override;
  io::Task<Result<>> truncate(uint64_t size) override;
  Result<uint64_t> size() const override;

  Result<std::unique_ptr<io::MappedFile>> map(size_t length) override;

  /// Everything is resident but what drop_cache() dropped and nothing has touched since.
  Result<uint64_t> resident(uint64_t position, uint64_t length) const override;
  io::Task<Result<>> read_ahead(uint64_t position, uint64_t length) override;
  io::Task<Result<size_t>> read_through(uint64_t position, MutableBytes out) override;
  void drop_cache(uint64_t position, uint64_t length) override;

  const std::string& path() const override { return path_; }

  /// A read without latency, for sending from the page cache.
  Result<size_t> read_now(uint64_t position, MutableBytes out);

 private:
  Result<> check_writable(const DiskCall& call) const;
  void warm(uint64_t position, uint64_t length);

  SimDisk& disk_;
  const InodeId inode_;
  const std::string path_;
  const bool writable_;
};

/// A contiguous copy of the file that every later write goes to as well.
class SimMapping final : public io::MappedFile {
 public:
  SimMapping(SimDisk& disk, InodeId inode, std::string path, size_t length);
  ~SimMapping() override;

  /// Dies where the real one would get SIGBUS.
  ByteView bytes(uint64_t position, size_t length) const override;
  size_t mapped_length() const override { return length_; }

  void update(uint64_t position, ByteView bytes);
  void clear_from(uint64_t size);

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  SimDisk& disk_;
  const InodeId inode_;
  const std::string path_;
  const size_t length_;
  // From calloc: what is never touched of a long mapping costs nothing.
  const std::unique_ptr<std::byte, Free> copy_;
};

}  // namespace sluice::sim
