#pragma once

#include <string_view>

namespace sluice {

/// Prints the broken invariant with its place and aborts. The process must not go on: what it
/// believes about itself is no longer true.
[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               std::string_view invariant);

}  // namespace sluice

/// For what we did wrong; what the world does wrong is an Error. The second argument names the
/// invariant in words. Stays on in every build.
#define CHECK(condition, invariant)                  \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::sluice::check_failed(__FILE__, __LINE__, #condition, (invariant)))
