#include "client/cli/shell.h"

#include <array>
#include <cstddef>

#include "client/cli/admin_page.h"
#include "client/cli/contexts.h"
#include "io/console.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

Result<std::pair<std::string, std::string>> split_pair(std::string_view text,
                                                       std::string_view flag) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return fail(Errc::invalid_argument,
                std::string(flag) + " '" + std::string(text) + "' is not of the form key=value");
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

/// Sets those properties that belong to `options`.
template <class Options>
Result<Options> with_properties(Options options,
                                const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [key, value] : pairs) {
    const auto set = client::set_property(options, key, value);
    if (!set && set.error() != Errc::not_found) return fail(set.error());
  }
  return options;
}

/// not_found, with the reason, when `key` is a property of nothing.
Result<> check_property(const std::string& key, const std::string& value) {
  client::ClientOptions client;
  client::ProducerOptions producer;
  client::ConsumerOptions consumer;
  const std::array<Result<>, 3> tries = {client::set_property(client, key, value),
                                         client::set_property(producer, key, value),
                                         client::set_property(consumer, key, value)};
  for (const Result<>& tried : tries) {
    if (tried || tried.error() != Errc::not_found) return tried;
  }
  return fail(Errc::invalid_argument, "-X " + key + ": " + std::string(tries[0].error().message()));
}

}  // namespace

void Shell::choose(std::string label, Action action) {
  label_ = std::move(label);
  action_ = std::move(action);
}

Result<> Shell::run() {
  if (!flags_.output.empty()) {
    ASSIGN_OR_RETURN(format_, parse_output_format(flags_.output));
  }
  return action_();
}

Result<Context> Shell::context() const {
  ASSIGN_OR_RETURN(const Contexts contexts, load_contexts());
  const std::string& name = flags_.context.empty() ? contexts.current : flags_.context;
  if (name.empty()) return Context{};
  return find_context(contexts, name);
}

Result<std::vector<std::string>> Shell::brokers() const {
  if (!flags_.brokers.empty()) {
    std::vector<std::string> brokers;
    for (const std::string& list : flags_.brokers) {
      for (std::string& broker : split_commas(list)) brokers.push_back(std::move(broker));
    }
    return brokers;
  }
  if (flags_.context.empty()) {
    const auto list = io::environment_variable("SLUICE_BROKERS");
    if (list && !list->empty()) return split_commas(*list);
  }
  ASSIGN_OR_RETURN(Context in_force, context());
  if (in_force.brokers.empty()) return client::ClientOptions{}.brokers;
  return std::move(in_force.brokers);
}

Result<std::vector<std::pair<std::string, std::string>>> Shell::properties() const {
  ASSIGN_OR_RETURN(const Context in_force, context());
  std::vector<std::pair<std::string, std::string>> pairs(in_force.properties.begin(),
                                                         in_force.properties.end());
  for (const std::string& text : flags_.properties) {
    ASSIGN_OR_RETURN(auto pair, split_pair(text, "-X"));
    pairs.push_back(std::move(pair));
  }
  for (const auto& [key, value] : pairs) RETURN_IF_ERROR(check_property(key, value));
  return pairs;
}

Result<Context> Shell::context_of_flags() const {
  Context made;
  ASSIGN_OR_RETURN(made.brokers, brokers());
  ASSIGN_OR_RETURN(made.properties, parse_pairs(flags_.properties, "-X"));
  for (const auto& [key, value] : made.properties) RETURN_IF_ERROR(check_property(key, value));
  return made;
}

Result<std::unique_ptr<client::Client>> Shell::connect() const {
  client::ClientOptions options;
  ASSIGN_OR_RETURN(options.brokers, brokers());
  ASSIGN_OR_RETURN(const auto pairs, properties());
  ASSIGN_OR_RETURN(options, with_properties(std::move(options), pairs));
  return client::Client::open(std::move(options));
}

Result<io::Endpoint> Shell::admin_address(const std::string& named) const {
  if (!named.empty()) {
    auto parsed = parse_admin_address(named);
    if (!parsed) return fail(std::move(parsed).error().with_context("--admin"));
    return parsed;
  }
  ASSIGN_OR_RETURN(const auto known, brokers());
  if (known.empty()) return fail(Errc::invalid_argument, "no broker is named; add --admin HOST");
  ASSIGN_OR_RETURN(io::Endpoint first, io::Endpoint::parse(known.front()));
  first.port = kAdminPort;
  return first;
}

Result<client::ProducerOptions> Shell::producer_options(client::ProducerOptions start) const {
  ASSIGN_OR_RETURN(const auto pairs, properties());
  return with_properties(start, pairs);
}

Result<client::ConsumerOptions> Shell::consumer_options(client::ConsumerOptions start) const {
  ASSIGN_OR_RETURN(const auto pairs, properties());
  return with_properties(start, pairs);
}

Result<> Shell::write(std::string_view text) const {
  auto written = io::write_all(io::StandardStream::out, text);
  output_gone_ = !written && written.error() == Errc::connection_closed;
  return written;
}

Result<> Shell::print(const Report& report) const {
  const bool terminal = io::is_terminal(io::StandardStream::out);
  const auto no_colour = io::environment_variable("NO_COLOR");
  const OutputStyle style{
      .format = format_,
      .colour = terminal && (!no_colour || no_colour->empty()),
      .columns = terminal ? io::terminal_columns(io::StandardStream::out) : 0,
  };
  return write(render(report, style));
}

Result<> Shell::say(std::string line, Json document, std::string name) const {
  const bool for_people = format_ == OutputFormat::table || format_ == OutputFormat::wide;
  if (flags_.quiet && for_people) return {};
  Report report{.document = std::move(document)};
  report.lines.push_back(std::move(line));
  report.names.push_back(std::move(name));
  return print(report);
}

void Shell::note(std::string_view line) const {
  if (!flags_.quiet) warn(line);
}

void Shell::warn(std::string_view line) const {
  // Nobody to tell when standard error is gone.
  static_cast<void>(io::write_all(io::StandardStream::err, std::string(line) + "\n"));
}

Result<> Shell::confirm(const std::string& question) const {
  if (flags_.yes) return {};
  if (!io::is_terminal(io::StandardStream::in) || !io::is_terminal(io::StandardStream::err)) {
    return fail(Errc::invalid_argument,
                "would ask '" + question + "', and nobody is here to " + "answer; add --yes");
  }
  RETURN_IF_ERROR(io::write_all(io::StandardStream::err, question + " [y/N] "));
  std::array<std::byte, 256> answer;
  auto input = io::InputStream::standard_input();
  ASSIGN_OR_RETURN(const size_t length, input.read(answer));
  const std::string_view text = as_text(ByteView(answer).first(length));
  if (text == "y\n" || text == "yes\n" || text == "Y\n") return {};
  return fail(Errc::cancelled, "not confirmed; nothing was done");
}

Result<std::map<std::string, std::string>> parse_pairs(const std::vector<std::string>& arguments,
                                                       std::string_view flag) {
  std::map<std::string, std::string> pairs;
  for (const std::string& argument : arguments) {
    ASSIGN_OR_RETURN(auto pair, split_pair(argument, flag));
    if (!pairs.insert(pair).second) {
      return fail(Errc::invalid_argument,
                  std::string(flag) + " names '" + pair.first + "' twice; keep one");
    }
  }
  return pairs;
}

}  // namespace sluice::cli
