#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::io {

/// Coroutine frames in size classes of 64 bytes up to 2 KiB on free lists of the calling thread;
/// larger ones go to the heap. A frame may be freed on another thread than it was made on.
void* allocate_frame(size_t size);
void free_frame(void* frame, size_t size) noexcept;

/// Bytes of frames alive in the whole process, for the memory ledger.
size_t frame_bytes_alive();

}  // namespace sluice::io
