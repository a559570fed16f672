#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace sluice::sim {

/// The bytes of a file in pages that copies share until one of them writes. A page never written
/// is a hole and reads as zeros.
class FileContent {
 public:
  static constexpr size_t kPage = 4096;

  uint64_t size() const { return size_; }
  /// Reads up to the end; how many bytes.
  size_t read(uint64_t position, MutableBytes out) const;
  /// Grows the file when it must; a gap before `position` reads as zeros.
  void write(uint64_t position, ByteView bytes);
  /// Cuts, or grows with zeros.
  void resize(uint64_t size);
  /// Of size and bytes; holes and written zeros are the same. Remembered per page.
  uint64_t hash() const;

 private:
  struct Page {
    std::array<std::byte, kPage> bytes{};
    mutable uint64_t hash = 0;  // 0: not known
  };
  Page& writable(size_t index);

  std::vector<std::shared_ptr<Page>> pages_;
  uint64_t size_ = 0;
};

}  // namespace sluice::sim
