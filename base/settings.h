#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "base/setting_spec.h"

namespace sluice {

/// From weakest to strongest.
enum class SettingSource : uint8_t { built_in, file, environment, command_line };
std::string_view name_of(SettingSource source);

/// `key = text` as somebody asked for it; `where` ("/etc/sluiced.toml:12", "--set", the variable's
/// name) stands in front of errors about it.
struct SettingAssignment {
  std::string key;
  std::string text;
  SettingSource source = SettingSource::command_line;
  std::string where;
};

/// What is in force for one key, and why.
struct EffectiveSetting {
  const SettingSpec* spec = nullptr;
  SettingValue value;
  SettingSource source = SettingSource::built_in;
  std::string where;
};

/// Assignments of a TOML text; tables and dotted keys name the same setting. `file` is its name in
/// errors; invalid_config with file and line when the text is no TOML or a value's type is never a
/// setting's.
Result<std::vector<SettingAssignment>> read_toml(std::string_view text, std::string_view file);
/// Of the process's variables ("NAME=value"). Other SLUICE_ names are put into `unknown` for a
/// warning, not refused: container platforms make such variables on their own.
std::vector<SettingAssignment> read_environment(std::span<const SettingSpec* const> specs,
                                                std::span<const std::string> variables,
                                                std::vector<std::string>& unknown);
/// Of "key=value" arguments.
Result<std::vector<SettingAssignment>> read_arguments(std::span<const std::string> arguments);

/// The last valid assignment of each key, in the order of `specs`. invalid_config with one line for
/// every unknown key (naming the nearest known one) and bad value.
Result<std::vector<EffectiveSetting>> resolve(std::span<const SettingSpec* const> specs,
                                              std::span<const SettingAssignment> assignments);
/// The known key with the fewest typing errors between it and `key`; empty when none is near.
std::string nearest_key(std::span<const SettingSpec* const> specs, std::string_view key);

/// A TOML file that documents every key, each commented out at its built-in value. No key may be
/// another's prefix up to a dot: TOML cannot say both.
std::string render_documented(std::span<const EffectiveSetting> settings);
/// TOML of what is in force, each line with its source; secrets are left out.
std::string render_effective(std::span<const EffectiveSetting> settings);

/// The keys that fill an Options struct. Declared in code by the options' owner; built-in values
/// are those of a default Options, so they stand in one place.
///
///   SettingsTable<LogOptions> table;
///   table.add("segment.bytes", &LogOptions::segment_bytes, "A segment is rolled at this size.",
///             between(14, 1_GiB));
template <class Options>
class SettingsTable {
 public:
  struct Loaded {
    Options options;
    std::vector<EffectiveSetting> effective;  // every key; points into the table
  };

  /// `access` gives the member: a member pointer or `[](auto& o) -> auto& { return o.log.size; }`.
  /// The kind follows the member's type; whole numbers are bytes when the key ends in ".bytes" and
  /// milliseconds when it ends in ".ms".
  template <class Access>
  void add(std::string key, Access access, std::string help, SettingLimits limits = {}) {
    using Member = std::remove_cvref_t<std::invoke_result_t<Access, Options&>>;
    const SettingKind kind = kind_of<Member>(key);
    add_as<Member>(kind, std::move(key), access, std::move(help), limits);
  }
  /// A whole number of bytes, whatever the key's name.
  template <class Access>
  void add_bytes(std::string key, Access access, std::string help, SettingLimits limits = {}) {
    using Member = std::remove_cvref_t<std::invoke_result_t<Access, Options&>>;
    add_as<Member>(SettingKind::bytes, std::move(key), access, std::move(help), limits);
  }
  /// A text that is never shown.
  template <class Access>
  void add_secret(std::string key, Access access, std::string help) {
    add(std::move(key), access, std::move(help));
    rows_.back().spec.secret = true;
  }
  template <class Access,
            class Choice = std::remove_cvref_t<std::invoke_result_t<Access, Options&>>>
  void add_choice(std::string key, Access access,
                  std::vector<std::pair<std::string, std::type_identity_t<Choice>>> choices,
                  std::string help) {
    SettingSpec spec{std::move(key), SettingKind::choice, std::move(help)};
    for (const auto& [name, choice] : choices) spec.choices.push_back(name);
    add_custom(
        std::move(spec),
        [access, choices](const Options& options) -> SettingValue {
          const auto found = std::ranges::find(choices, std::invoke(access, options),
                                               &std::pair<std::string, Choice>::second);
          CHECK(found != choices.end(), "every choice that options can hold has a name");
          return found->first;
        },
        [access, choices](Options& options, const SettingValue& value) {
          std::invoke(access, options) = std::ranges::find(choices, std::get<std::string>(value),
                                                           &std::pair<std::string, Choice>::first)
                                             ->second;
        });
  }
  /// For what the others cannot say. `set` gets values that the spec allows.
  void add_custom(SettingSpec spec, std::function<SettingValue(const Options&)> get,
                  std::function<void(Options&, const SettingValue&)> set) {
    CHECK(find(spec.key) == nullptr, "a key is declared once");
    rows_.push_back({std::move(spec), std::move(get), std::move(set)});
  }
  /// All keys of a part's table, with a prefix ("log.") in front.
  template <class Part, class Access>
  void include(const std::string& prefix, const SettingsTable<Part>& part, Access access) {
    for (const auto& row : part.rows()) {
      SettingSpec spec = row.spec;
      spec.key = prefix + spec.key;
      add_custom(
          std::move(spec),
          [get = row.get, access](const Options& o) { return get(std::invoke(access, o)); },
          [set = row.set, access](Options& o, const SettingValue& v) {
            set(std::invoke(access, o), v);
          });
    }
  }

  /// Options with the assignments on top of `start`, later ones winning; Options with no assignment
  /// keep what they had.
  Result<Loaded> load(std::span<const SettingAssignment> assignments, Options start = {}) const {
    ASSIGN_OR_RETURN(auto resolved, resolve(specs(), assignments));
    Loaded loaded{std::move(start), {}};
    auto next = resolved.begin();
    for (const Row& row : rows_) {
      const bool assigned = next != resolved.end() && next->spec == &row.spec;
      if (assigned) row.set(loaded.options, next->value);
      EffectiveSetting built_in{&row.spec, row.get(loaded.options), SettingSource::built_in, {}};
      loaded.effective.push_back(assigned ? std::move(*next++) : std::move(built_in));
    }
    return loaded;
  }
  /// As load, for values that came by themselves: a topic's configs.
  Result<Options> apply(const std::map<std::string, std::string>& values,
                        Options start = {}) const {
    std::vector<SettingAssignment> assignments;
    for (const auto& [key, text] : values)
      assignments.push_back({key, text, SettingSource::command_line, {}});
    ASSIGN_OR_RETURN(auto loaded, load(assignments, std::move(start)));
    return std::move(loaded.options);
  }

  const SettingSpec* find(std::string_view key) const {
    const auto row =
        std::ranges::find(rows_, key, [](const Row& r) -> std::string_view { return r.spec.key; });
    return row == rows_.end() ? nullptr : &row->spec;
  }
  std::vector<const SettingSpec*> specs() const {
    std::vector<const SettingSpec*> specs;
    for (const Row& row : rows_) specs.push_back(&row.spec);
    return specs;
  }
  /// Every key with its value in `options`.
  std::vector<EffectiveSetting> values_of(const Options& options) const {
    std::vector<EffectiveSetting> values;
    for (const Row& row : rows_) values.push_back({&row.spec, row.get(options)});
    return values;
  }
  /// See sluice::render_documented.
  std::string render_documented() const { return sluice::render_documented(values_of(Options{})); }

  struct Row {
    SettingSpec spec;
    std::function<SettingValue(const Options&)> get;
    std::function<void(Options&, const SettingValue&)> set;
  };
  const std::vector<Row>& rows() const { return rows_; }

 private:
  template <class T>
  static constexpr bool kIsDuration = requires { typename T::period; };

  template <class T>
  static constexpr bool kIsWhole = std::is_integral_v<T> && !std::is_same_v<T, bool>;

  template <class Member>
  static SettingKind kind_of(std::string_view key) {
    if constexpr (std::is_same_v<Member, bool>) return SettingKind::boolean;
    if constexpr (std::is_same_v<Member, double>) return SettingKind::number;
    if constexpr (std::is_same_v<Member, std::string>) return SettingKind::text;
    if constexpr (std::is_same_v<Member, std::vector<std::string>>) return SettingKind::list;
    if constexpr (kIsDuration<Member>) return SettingKind::duration;
    if (key.ends_with(".bytes")) return SettingKind::bytes;
    if (key.ends_with(".ms")) return SettingKind::duration;
    return SettingKind::integer;
  }

  /// The limits that the member's type sets by itself.
  template <class Member>
  static SettingLimits narrowed(SettingLimits limits) {
    if constexpr (kIsDuration<Member>) {
      // Durations below zero mean "no limit" to Kafka; who wants that binds an integer.
      limits.least = std::max<int64_t>(limits.least, 0);
      limits.most = std::min(limits.most, whole_milliseconds(Member::max()));
    } else if constexpr (kIsWhole<Member>) {
      using Range = std::numeric_limits<Member>;
      if (std::cmp_greater(Range::min(), limits.least))
        limits.least = static_cast<int64_t>(Range::min());
      if (std::cmp_less(Range::max(), limits.most))
        limits.most = static_cast<int64_t>(Range::max());
    }
    return limits;
  }

  /// Saturates for coarser units, whose most is beyond what milliseconds can say.
  template <class Member>
  static int64_t whole_milliseconds(Member duration) {
    using std::chrono::milliseconds;
    if constexpr (std::ratio_less_equal_v<typename Member::period, std::milli>) {
      return std::chrono::duration_cast<milliseconds>(duration).count();
    } else {
      const auto most = std::chrono::duration_cast<Member>(milliseconds::max());
      return milliseconds(std::min(duration, most)).count();
    }
  }

  template <class Member>
  static SettingValue to_value(const Member& member) {
    if constexpr (kIsDuration<Member>) {
      return whole_milliseconds(member);
    } else if constexpr (kIsWhole<Member>) {
      CHECK(std::in_range<int64_t>(member), "a setting's value fits 63 bits");
      return static_cast<int64_t>(member);
    } else {
      return member;
    }
  }
  template <class Member>
  static Member from_value(const SettingValue& value) {
    if constexpr (kIsDuration<Member>) {
      return std::chrono::duration_cast<Member>(
          std::chrono::milliseconds(std::get<int64_t>(value)));
    } else if constexpr (kIsWhole<Member>) {
      return static_cast<Member>(std::get<int64_t>(value));
    } else {
      return std::get<Member>(value);
    }
  }

  template <class Member, class Access>
  void add_as(SettingKind kind, std::string key, Access access, std::string help,
              SettingLimits limits) {
    add_custom(
        SettingSpec{std::move(key), kind, std::move(help), narrowed<Member>(limits)},
        [access](const Options& o) { return to_value<Member>(std::invoke(access, o)); },
        [access](Options& o, const SettingValue& v) {
          std::invoke(access, o) = from_value<Member>(v);
        });
  }

  std::vector<Row> rows_;
};

}  // namespace sluice
