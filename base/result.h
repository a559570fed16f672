#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error_table.h"

namespace sluice {

enum class Errc : uint16_t {
#define SLUICE_ERRC(name, code, retriable, text) name = code,
  SLUICE_ERRORS(SLUICE_ERRC)
#undef SLUICE_ERRC
};

/// The table's name, text and retriable flag of a code.
std::string_view name_of(Errc code);
std::string_view text_of(Errc code);
bool is_retriable(Errc code);
/// The code with that wire number; `internal` when there is none.
Errc errc_from_wire(uint32_t number);

/// What the world did wrong: a code from the table and, off the hot path, a detail that names the
/// thing, the value and the way out. Two words; making one without detail allocates nothing.
class [[nodiscard]] Error {
 public:
  Error(Errc code) : code_(code) {}  // NOLINT: `return Errc::disk_full;` is the idiom
  Error(Errc code, std::string detail)
      : code_(code), detail_(std::make_unique<std::string>(std::move(detail))) {}
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;
  Error(const Error& other)
      : code_(other.code_),
        detail_(other.detail_ ? std::make_unique<std::string>(*other.detail_) : nullptr) {}
  Error& operator=(const Error& other) {
    if (this != &other) *this = Error(other);
    return *this;
  }

  Errc code() const { return code_; }
  bool retriable() const { return is_retriable(code_); }
  bool has_detail() const { return detail_ != nullptr; }
  /// The detail, or the table's text when there is none.
  std::string_view message() const { return detail_ ? std::string_view(*detail_) : text_of(code_); }
  /// Puts what was being done in front: "open /data/x: permission denied".
  Error with_context(std::string_view what) &&;

  friend bool operator==(const Error& error, Errc code) { return error.code_ == code; }

 private:
  Errc code_;
  std::unique_ptr<std::string> detail_;
};

/// The Error for an errno value, with a detail of the form "<what>: <strerror>".
Error error_from_errno(int number, std::string_view what);

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail(Errc::disk_full);` where the return type is a Result.
inline std::unexpected<Error> fail(Errc code) { return std::unexpected<Error>(Error(code)); }
inline std::unexpected<Error> fail(Errc code, std::string detail) {
  return std::unexpected<Error>(Error(code, std::move(detail)));
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace sluice

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

/// Leaves the function with the error of a Result, in a function and in a coroutine.
#define RETURN_IF_ERROR(...)                                                                       \
  do {                                                                                             \
    if (auto result_ = (__VA_ARGS__); !result_) return ::sluice::fail(std::move(result_).error()); \
  } while (0)
#define CO_RETURN_IF_ERROR(...)                             \
  do {                                                      \
    if (auto result_ = (__VA_ARGS__); !result_)             \
      co_return ::sluice::fail(std::move(result_).error()); \
  } while (0)
/// ASSIGN_OR_RETURN(auto file, open(path));
#define ASSIGN_OR_RETURN(target, ...)                                           \
  auto SLUICE_CONCAT(result_, __LINE__) = (__VA_ARGS__);                        \
  if (!SLUICE_CONCAT(result_, __LINE__))                                        \
    return ::sluice::fail(std::move(SLUICE_CONCAT(result_, __LINE__)).error()); \
  target = std::move(*SLUICE_CONCAT(result_, __LINE__))
#define CO_ASSIGN_OR_RETURN(target, ...)                                           \
  auto SLUICE_CONCAT(result_, __LINE__) = (__VA_ARGS__);                           \
  if (!SLUICE_CONCAT(result_, __LINE__))                                           \
    co_return ::sluice::fail(std::move(SLUICE_CONCAT(result_, __LINE__)).error()); \
  target = std::move(*SLUICE_CONCAT(result_, __LINE__))
