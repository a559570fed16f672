#include "storage/mapped_index.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "io/loop.h"

namespace sluice::storage {
namespace {

/// Pages that were used so recently are not the ones that the system gives up.
constexpr Duration kStaysWarm = 1s;

}  // namespace

MappedIndex::MappedIndex(std::shared_ptr<SegmentFile> file, FileCache& maps, Options options)
    : file_(std::move(file)),
      maps_(maps),
      options_(options),
      state_(State{.in_file = options.entries}),
      in_file_(options.entries) {}

MappedIndex::~MappedIndex() { maps_.forget(*this); }

bool MappedIndex::mapped_enough(const State& state) const {
  return state.in_file == 0 ||
         (state.mapped && state.mapped->mapped_length() >= state.in_file * options_.entry_size);
}

bool MappedIndex::ready(const State& state) const {
  if (!mapped_enough(state)) return false;
  if (state.in_file == 0) return true;
  // Who asks before the task runs on a loop has it looked at there.
  const io::Loop* const loop = io::Loop::current();
  return loop != nullptr && loop->now() < state.warm_until;
}

MappedIndex::View MappedIndex::view_of(const State& state) const {
  View view;
  view.entry_size_ = options_.entry_size;
  view.in_file_ = state.in_file;
  view.mapped_ = state.mapped;
  view.tail_ = state.tail;
  view.in_tail_ = state.tail ? state.tail->count.load(std::memory_order_acquire) : 0;
  return view;
}

io::Task<Result<MappedIndex::View>> MappedIndex::view() {
  {
    auto state = state_.lock();
    if (ready(*state)) {
      mark_used();
      return io::Task<Result<View>>::ready(view_of(*state));
    }
  }
  return map();
}

io::Task<Result<MappedIndex::View>> MappedIndex::map() {
  for (;;) {
    CO_ASSIGN_OR_RETURN(auto file, co_await file_->open());
    CO_RETURN_IF_ERROR(co_await warm(*file));
    size_t length = 0;
    {
      auto state = state_.lock();
      if (mapped_enough(*state)) {
        mark_used();
        co_return view_of(*state);
      }
      // A sealed index has no tail and grows no more: it maps what there is.
      length = state->tail ? std::max(options_.max_bytes, state->in_file * options_.entry_size)
                           : state->in_file * options_.entry_size;
    }
    CO_ASSIGN_OR_RETURN(std::shared_ptr<io::MappedFile> mapped, file->map(length));
    View view;
    size_t bytes = 0;
    {
      auto state = state_.lock();
      state->mapped = std::move(mapped);
      if (!mapped_enough(*state)) continue;  // it grew meanwhile
      view = view_of(*state);
      bytes = state->in_file * options_.entry_size;
    }
    maps_.opened(*this, bytes);
    co_return view;
  }
}

/// An error here would be a SIGBUS at the first look through the map.
io::Task<Result<>> MappedIndex::warm(io::File& file) {
  const uint64_t bytes = state_.lock()->in_file * options_.entry_size;
  CO_ASSIGN_OR_RETURN(const uint64_t there, file.resident(0, bytes));
  if (there < bytes) CO_RETURN_IF_ERROR(co_await file.read_ahead(there, bytes - there));
  state_.lock()->warm_until = io::Loop::current()->now() + kStaysWarm;
  co_return Result<>{};
}

void MappedIndex::append(ByteView entry) {
  CHECK(entry.size() == options_.entry_size, "an index holds entries of one size");
  CHECK(!needs_flush(), "a full index tail is written before an append");
  const size_t used = in_tail_ * options_.entry_size;
  if (!tail_ || used + options_.entry_size > tail_->capacity) {
    // Readers may hold the old tail: it is left as it is and a larger one takes its place.
    auto larger =
        std::make_shared<Tail>(std::clamp(used * 2, 16 * options_.entry_size, kTailBytes));
    if (used > 0) std::memcpy(larger->entries.get(), tail_->entries.get(), used);
    larger->count.store(in_tail_, std::memory_order_relaxed);
    replace_tail(std::move(larger), in_file_);
  }
  std::memcpy(tail_->entries.get() + used, entry.data(), entry.size());
  tail_->count.store(++in_tail_, std::memory_order_release);
}

void MappedIndex::replace_tail(std::shared_ptr<Tail> tail, size_t in_file) {
  tail_ = tail;
  in_file_ = in_file;
  in_tail_ = tail ? tail->count.load(std::memory_order_relaxed) : 0;
  auto state = state_.lock();
  state->tail.swap(tail);
  state->in_file = in_file;
}

io::Task<Result<>> MappedIndex::flush(io::Lane lane) {
  if (in_tail_ == 0) co_return {};
  CO_ASSIGN_OR_RETURN(auto file, co_await file_->create());
  const ByteView entries(tail_->entries.get(), in_tail_ * options_.entry_size);
  CO_RETURN_IF_ERROR(
      co_await file->write_at(in_file_ * options_.entry_size, std::span(&entries, 1), lane));
  replace_tail(std::make_shared<Tail>(kTailBytes), in_file_ + in_tail_);
  maps_.grew(*this, in_file_ * options_.entry_size);
  co_return {};
}

void MappedIndex::drop_tail() { replace_tail(nullptr, in_file_); }

void MappedIndex::truncate(size_t entries) {
  if (entries >= size()) return;
  // A view of before keeps its own count and must keep its bytes: the tail is not cut but copied.
  const size_t kept = entries > in_file_ ? entries - in_file_ : 0;
  auto copy = std::make_shared<Tail>(kTailBytes);
  if (kept > 0) std::memcpy(copy->entries.get(), tail_->entries.get(), kept * options_.entry_size);
  copy->count.store(kept, std::memory_order_relaxed);
  const bool cuts_file = entries < in_file_;
  replace_tail(std::move(copy), std::min(entries, in_file_));
  if (!cuts_file) return;
  auto state = state_.lock();
  if (state->mapped) outdated_ = std::exchange(state->mapped, nullptr);
}

io::Task<Result<>> MappedIndex::seal(io::Lane lane) {
  CO_RETURN_IF_ERROR(co_await flush(lane));
  drop_tail();
  CO_ASSIGN_OR_RETURN(auto file, co_await file_->create());
  CO_ASSIGN_OR_RETURN(const uint64_t size, file->size());
  if (size <= in_file_ * options_.entry_size) co_return {};
  // Touching a map beyond the file's end is SIGBUS; views live for one lookup.
  while (!outdated_.expired()) co_await io::Loop::current()->yield();
  co_return co_await file->truncate(in_file_ * options_.entry_size);
}

std::shared_ptr<const void> MappedIndex::evict() {
  return std::exchange(state_.lock()->mapped, nullptr);
}

}  // namespace sluice::storage
