#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/buffer_pool.h"
#include "broker/server/admission.h"

namespace sluice::broker {

class ChunkPool;

/// What a buffer for `size` bytes takes of memory, and so of admission.
constexpr size_t buffer_bytes(size_t size) {
  for (const size_t tier : kBufferTiers) {
    if (size <= tier) return tier;
  }
  return (size + 4_KiB - 1) / 4_KiB * 4_KiB;
}

/// A buffer that frames were read into, with the admission that it stands on. Counted without
/// atomics: all references live on one worker.
class Chunk {
 public:
  MutableBytes bytes() const { return buffer_.bytes(); }

 private:
  friend class ChunkPool;
  friend class ChunkRef;
  Buffer buffer_;
  Grant grant_;
  ChunkPool* home_ = nullptr;
  uint32_t references_ = 0;
};

class ChunkRef {
 public:
  ChunkRef() = default;
  ChunkRef(const ChunkRef& other) : chunk_(other.chunk_) {
    if (chunk_ != nullptr) ++chunk_->references_;
  }
  ChunkRef(ChunkRef&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
  ChunkRef& operator=(ChunkRef other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkRef();

  explicit operator bool() const { return chunk_ != nullptr; }
  Chunk* operator->() const { return chunk_; }
  /// Nobody else looks at the bytes.
  bool unique() const { return chunk_->references_ == 1; }
  /// Gives the admission back and keeps the bytes.
  void release_grant() { chunk_->grant_.release(); }

 private:
  friend class ChunkPool;
  explicit ChunkRef(Chunk* chunk) : chunk_(chunk) { ++chunk_->references_; }
  Chunk* chunk_ = nullptr;
};

/// Hands out chunks without an allocation of its own once it is warm. One per worker; outlives its
/// chunks.
class ChunkPool {
 public:
  ChunkRef wrap(Buffer buffer, Grant grant);

 private:
  friend class ChunkRef;
  static constexpr size_t kMostIdle = 256;
  void give_back(Chunk* chunk);
  std::vector<std::unique_ptr<Chunk>> idle_;
};

inline ChunkRef::~ChunkRef() {
  if (chunk_ != nullptr && --chunk_->references_ == 0) chunk_->home_->give_back(chunk_);
}

inline ChunkRef ChunkPool::wrap(Buffer buffer, Grant grant) {
  std::unique_ptr<Chunk> chunk;
  if (idle_.empty()) {
    chunk = std::make_unique<Chunk>();
    chunk->home_ = this;
  } else {
    chunk = std::move(idle_.back());
    idle_.pop_back();
  }
  chunk->buffer_ = std::move(buffer);
  chunk->grant_ = std::move(grant);
  return ChunkRef(chunk.release());
}

inline void ChunkPool::give_back(Chunk* chunk) {
  std::unique_ptr<Chunk> owned(chunk);
  owned->buffer_ = Buffer();
  owned->grant_.release();
  if (idle_.size() < kMostIdle) idle_.push_back(std::move(owned));
}

}  // namespace sluice::broker
