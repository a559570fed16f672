#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/strong.h"
#include "base/time.h"

namespace sluice {

enum class LogLevel : uint8_t { debug, info, warning, error };

/// A key and a value of a structured log line; the value is rendered at once.
struct LogField {
  template <class T>
  LogField(std::string_view k, const T& v) : key(k), value(render(v)), bare(is_bare(v)) {}
  std::string_view key;
  std::string value;
  bool bare;  // a number or truth value: JSON shows it without quotes

 private:
  static std::string render(std::string_view text) { return std::string(text); }
  static std::string render(const std::string& text) { return text; }
  static std::string render(const char* text) { return text; }
  static std::string render(bool flag) { return flag ? "true" : "false"; }
  template <class T>
    requires std::is_integral_v<T>
  static std::string render(T number) {
    return std::to_string(number);
  }
  static std::string render(double number);
  template <class Rep, class Tag>
  static std::string render(Strong<Rep, Tag> id) {
    return std::to_string(id.value());
  }
  /// Rounded, as people write it: "1.5s", "20ms".
  static std::string render(Duration duration);

  template <class T>
    requires(!std::is_floating_point_v<T>)
  static bool is_bare(const T&) {
    return std::is_integral_v<T>;
  }
  static bool is_bare(double number);
  template <class Rep, class Tag>
  static bool is_bare(Strong<Rep, Tag>) {
    return true;
  }
};

/// Where log lines go; thread-safe.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) = 0;
};

/// Structured log: an event in a few words and its fields. Handed down, never global; copies share
/// the sink. Not for the hot path.
class Logger {
 public:
  explicit Logger(LogSink& sink, LogLevel lowest = LogLevel::info)
      : sink_(&sink), lowest_(lowest) {}

  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::debug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::info, event, fields);
  }
  void warning(std::string_view event, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::warning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::error, event, fields);
  }

 private:
  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) const {
    if (level >= lowest_) sink_->write(level, event, fields);
  }
  LogSink* sink_;
  LogLevel lowest_;
};

/// Lines on a file descriptor, `logfmt` (time=... level=... event="..." key=value) or JSON (one
/// object a line), each with one write(2). What is not UTF-8 is replaced in JSON. A line that the
/// descriptor refuses (closed pipe, full disk) is lost: logging never fails its caller.
class StreamSink final : public LogSink {
 public:
  enum class Format : uint8_t { logfmt, json };
  StreamSink(const Clock& clock, int descriptor, Format format)
      : clock_(clock), descriptor_(descriptor), format_(format) {}
  void write(LogLevel level, std::string_view event,
             std::initializer_list<LogField> fields) override;

 private:
  const Clock& clock_;
  const int descriptor_;
  const Format format_;
};

/// Drops everything, for tests and tools.
class NullSink final : public LogSink {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace sluice
