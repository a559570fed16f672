#include "tests/sim/file_content.h"

#include <algorithm>
#include <cstring>

#include "tests/sim/hash.h"

namespace sluice::sim {

size_t FileContent::read(uint64_t position, MutableBytes out) const {
  if (position >= size_) return 0;
  const size_t length = std::min<uint64_t>(out.size(), size_ - position);
  for (size_t done = 0; done < length;) {
    const size_t offset = (position + done) % kPage;
    const size_t part = std::min(kPage - offset, length - done);
    const auto& page = pages_[(position + done) / kPage];
    if (page) {
      std::memcpy(out.data() + done, page->bytes.data() + offset, part);
    } else {
      std::memset(out.data() + done, 0, part);
    }
    done += part;
  }
  return length;
}

void FileContent::write(uint64_t position, ByteView bytes) {
  if (bytes.empty()) return;
  if (position + bytes.size() > size_) resize(position + bytes.size());
  for (size_t done = 0; done < bytes.size();) {
    const size_t offset = (position + done) % kPage;
    const size_t part = std::min(kPage - offset, bytes.size() - done);
    std::memcpy(writable((position + done) / kPage).bytes.data() + offset, bytes.data() + done,
                part);
    done += part;
  }
}

void FileContent::resize(uint64_t size) {
  const bool cuts_page = size < size_ && size % kPage != 0 && pages_[size / kPage] != nullptr;
  if (cuts_page) {  // What was cut must read as zeros should the file grow again.
    auto& bytes = writable(size / kPage).bytes;
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(size % kPage), bytes.end(), std::byte{0});
  }
  pages_.resize((size + kPage - 1) / kPage);
  size_ = size;
}

uint64_t FileContent::hash() const {
  static const uint64_t zeros = mix(0, Page{}.bytes) | 1;
  uint64_t hash = mix(0, size_);
  for (const auto& page : pages_) {
    if (page && page->hash == 0) page->hash = mix(0, page->bytes) | 1;
    hash = mix(hash, page ? page->hash : zeros);
  }
  return hash;
}

FileContent::Page& FileContent::writable(size_t index) {
  auto& page = pages_[index];
  if (!page) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  page->hash = 0;
  return *page;
}

}  // namespace sluice::sim
