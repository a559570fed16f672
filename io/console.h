#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::io {

// Standard streams and files read as streams, for programs that people run in a shell. Everything
// here blocks the calling thread; nothing of it belongs on a loop.

enum class StandardStream : uint8_t { in, out, err };

bool is_terminal(StandardStream stream);
/// Of the terminal behind `stream`; 0 when there is none.
size_t terminal_columns(StandardStream stream);
/// Whether `stream` is a pipe or socket that nobody reads any more.
bool reader_is_gone(StandardStream stream);
/// Writes all of it. connection_closed when the reader of a pipe is gone; else what the system said
/// ("write standard output: ...").
Result<> write_all(StandardStream stream, std::string_view text);

/// Bytes from the front to the end of a file or a pipe.
class InputStream {
 public:
  static InputStream standard_input();
  /// file_not_found, permission_denied; a directory is an invalid_argument.
  static Result<InputStream> open(const std::string& path);
  InputStream(InputStream&& other) noexcept;
  InputStream& operator=(InputStream&&) = delete;
  ~InputStream();

  /// As much as is there, at least one byte; 0 at the end. `cancelled` when a signal came while it
  /// waited.
  Result<size_t> read(MutableBytes out);
  const std::string& name() const { return name_; }

 private:
  InputStream(int descriptor, std::string name);
  int descriptor_;
  std::string name_;
};

/// The whole content of a small text file; invalid_argument when it is larger than `limit` bytes.
Result<std::string> read_text_file(const std::string& path, size_t limit);

}  // namespace sluice::io
