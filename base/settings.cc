#include "base/settings.h"

#include <numeric>

namespace sluice {
namespace {

/// Levenshtein's distance: insertions, deletions and exchanges.
size_t typing_errors(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t exchanged = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({exchanged, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string unknown_key(std::span<const SettingSpec* const> specs, std::string_view key) {
  std::string out = "unknown key \"" + std::string(key) + "\"";
  const std::string nearest = nearest_key(specs, key);
  if (!nearest.empty()) out += "; did you mean \"" + nearest + "\"?";
  return out;
}

void append_comment(std::string& out, std::string_view text) {
  constexpr size_t kWidth = 98;
  while (!text.empty()) {
    size_t length = text.size();
    if (length > kWidth) {
      const size_t space = text.rfind(' ', kWidth);
      length = space == std::string_view::npos ? std::min(text.find(' '), text.size()) : space;
    }
    out.append("# ").append(text.substr(0, length)).append("\n");
    text.remove_prefix(std::min(length + 1, text.size()));
  }
}

}  // namespace

std::string_view name_of(SettingSource source) {
  switch (source) {
    case SettingSource::built_in:
      return "built-in";
    case SettingSource::file:
      return "file";
    case SettingSource::environment:
      return "environment";
    case SettingSource::command_line:
      return "command line";
  }
  return "built-in";
}

std::vector<SettingAssignment> read_environment(std::span<const SettingSpec* const> specs,
                                                std::span<const std::string> variables,
                                                std::vector<std::string>& unknown) {
  std::vector<SettingAssignment> assignments;
  for (const std::string& variable : variables) {
    const size_t equals = variable.find('=');
    if (!variable.starts_with("SLUICE_") || equals == std::string::npos) continue;
    const std::string name = variable.substr(0, equals);
    const auto spec = std::ranges::find(specs, name, &SettingSpec::environment_name);
    if (spec == specs.end()) {
      unknown.push_back(name);
    } else {
      assignments.push_back(
          {(*spec)->key, variable.substr(equals + 1), SettingSource::environment, name});
    }
  }
  return assignments;
}

Result<std::vector<SettingAssignment>> read_arguments(std::span<const std::string> arguments) {
  std::vector<SettingAssignment> assignments;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(Errc::invalid_config,
                  "--set: \"" + argument + "\" is not an assignment; write --set key=value");
    }
    assignments.push_back({argument.substr(0, equals), argument.substr(equals + 1),
                           SettingSource::command_line, "--set"});
  }
  return assignments;
}

Result<std::vector<EffectiveSetting>> resolve(std::span<const SettingSpec* const> specs,
                                              std::span<const SettingAssignment> assignments) {
  std::map<std::string_view, size_t> index;
  for (size_t i = 0; i < specs.size(); ++i) index.emplace(specs[i]->key, i);
  std::vector<std::optional<EffectiveSetting>> found(specs.size());
  std::string problems;
  const auto complain = [&](const SettingAssignment& about, std::string_view what) {
    if (!problems.empty()) problems += '\n';
    if (!about.where.empty()) problems.append(about.where).append(": ");
    problems += what;
  };
  for (const SettingAssignment& assignment : assignments) {
    const auto known = index.find(assignment.key);
    if (known == index.end()) {
      complain(assignment, unknown_key(specs, assignment.key));
      continue;
    }
    const SettingSpec* spec = specs[known->second];
    auto value = spec->parse(assignment.text);
    if (!value) {
      complain(assignment, value.error().message());
      continue;
    }
    found[known->second] = {spec, std::move(*value), assignment.source, assignment.where};
  }
  if (!problems.empty()) return fail(Errc::invalid_config, std::move(problems));
  std::vector<EffectiveSetting> effective;
  for (auto& one : found) {
    if (one) effective.push_back(std::move(*one));
  }
  return effective;
}

std::string nearest_key(std::span<const SettingSpec* const> specs, std::string_view key) {
  std::string nearest;
  size_t fewest = std::max<size_t>(2, key.size() / 3) + 1;
  for (const SettingSpec* spec : specs) {
    const size_t errors = typing_errors(key, spec->key);
    if (errors < fewest) {
      fewest = errors;
      nearest = spec->key;
    }
  }
  return nearest;
}

std::string render_documented(std::span<const EffectiveSetting> settings) {
  std::string out;
  for (const auto& [spec, value, source, where] : settings) {
    for (const auto& other : settings) {
      CHECK(!other.spec->key.starts_with(spec->key + "."), "no key is the table of another");
    }
    if (!out.empty()) out += '\n';
    append_comment(out, spec->help);
    append_comment(out, "Takes " + spec->allowed() + ".");
    out.append("#").append(spec->key).append(" = ").append(spec->toml(value)).append("\n");
  }
  return out;
}

std::string render_effective(std::span<const EffectiveSetting> settings) {
  std::string out;
  for (const auto& [spec, value, source, where] : settings) {
    if (spec->secret) {
      out.append("#").append(spec->key).append(" is not shown");
    } else {
      out.append(spec->key).append(" = ").append(spec->toml(value));
    }
    out.append("  # ").append(name_of(source));
    if (!where.empty() && source != SettingSource::command_line) out.append(" ").append(where);
    out += '\n';
  }
  return out;
}

}  // namespace sluice
