#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

struct Row {
  std::string_view name;
  bool retriable;
  std::string_view text;
};

Row row_of(Errc code) {
  switch (code) {
#define SLUICE_ROW(name, number, retriable, text) \
  case Errc::name:                                \
    return Row{#name, retriable, text};
    SLUICE_ERRORS(SLUICE_ROW)
#undef SLUICE_ROW
  }
  return Row{"internal", false, "an unexpected condition inside the broker"};
}

Errc errc_of_errno(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Errc::disk_full;
    case EIO:
    case EROFS:
      return Errc::disk_failed;
    case ENOENT:
    case ENOTDIR:
      return Errc::file_not_found;
    case EEXIST:
      return Errc::file_exists;
    case EACCES:
    case EPERM:
      return Errc::permission_denied;
    case EAGAIN:
      return Errc::would_block;
    case EADDRINUSE:
      return Errc::address_in_use;
    case ECONNREFUSED:
      return Errc::connection_refused;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
      return Errc::connection_closed;
    case ETIMEDOUT:
      return Errc::timed_out;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ECONNABORTED:
      return Errc::connection_failed;
    case EMFILE:
    case ENFILE:
      return Errc::too_many;
    case ENOMEM:
      return Errc::out_of_memory;
    case ECANCELED:
      return Errc::cancelled;
    default:
      return Errc::internal;
  }
}

}  // namespace

std::string_view name_of(Errc code) { return row_of(code).name; }
std::string_view text_of(Errc code) { return row_of(code).text; }
bool is_retriable(Errc code) { return row_of(code).retriable; }

Errc errc_from_wire(uint32_t number) {
  switch (number) {
#define SLUICE_WIRE(name, code, retriable, text) \
  case code:                                     \
    return Errc::name;
    SLUICE_ERRORS(SLUICE_WIRE)
#undef SLUICE_WIRE
    default:
      return Errc::internal;
  }
}

Error Error::with_context(std::string_view what) && {
  std::string detail(what);
  detail += ": ";
  detail += message();
  return Error(code_, std::move(detail));
}

Error error_from_errno(int number, std::string_view what) {
  std::string detail(what);
  detail += ": ";
  detail += std::strerror(number);
  return Error(errc_of_errno(number), std::move(detail));
}

}  // namespace sluice
