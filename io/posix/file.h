#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <sys/uio.h>

#include "io/disk.h"
#include "io/posix/async_io.h"

namespace sluice::io {

/// The Error of an errno value (positive or negated) for a verb and a path:
/// "write /data/t-0/x.log: No space left on device".
Error file_error(int64_t number, std::string_view verb, const std::string& path);

/// A descriptor that is closed with its owner.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~OwnedDescriptor();
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

/// An open file of the system. Hot and commit writes and reads of what is in memory happen at once;
/// the rest goes through `async`, which outlives the file.
class PosixFile final : public File {
 public:
  /// Takes the descriptor over.
  PosixFile(int descriptor, std::string path, AsyncIo& async);

  Task<Result<size_t>> read_at(uint64_t position, MutableBytes out, Lane lane) override;
  Task<Result<>> write_at(uint64_t position, std::span<const ByteView> parts, Lane lane) override;
  Task<Result<>> sync(Lane lane) override;
  Task<Result<>> start_write_back(uint64_t position, uint64_t length) override;
  Task<Result<>> allocate(uint64_t position, uint64_t length) override;
  Task<Result<>> truncate(uint64_t size) override;
  Result<uint64_t> size() const override;
  Result<std::unique_ptr<MappedFile>> map(size_t length) override;
  Result<uint64_t> resident(uint64_t position, uint64_t length) const override;
  Task<Result<>> read_ahead(uint64_t position, uint64_t length) override;
  Task<Result<size_t>> read_through(uint64_t position, MutableBytes out) override;
  void drop_cache(uint64_t position, uint64_t length) override;
  std::optional<int> descriptor() const override { return descriptor_.get(); }
  const std::string& path() const override { return path_; }

 private:
  Task<Result<size_t>> read_rest(uint64_t position, MutableBytes out, size_t done);
  Task<Result<>> write_elsewhere(uint64_t position, std::vector<iovec> parts);
  Result<> write_here(uint64_t position, std::span<const ByteView> parts) const;
  /// Runs a call that may wait and turns its result into one that names the file.
  Task<Result<>> run(std::string_view verb, std::move_only_function<int64_t()> work);

  const OwnedDescriptor descriptor_;
  const std::string path_;
  AsyncIo& async_;
};

}  // namespace sluice::io
