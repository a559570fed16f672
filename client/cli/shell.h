#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "client/cli/output.h"
#include "client/include/sluice/client.h"
#include "io/clock.h"
#include "io/network.h"

namespace sluice::cli {

struct Context;

/// Flags that every command takes.
struct GlobalFlags {
  std::vector<std::string> brokers;
  std::vector<std::string> properties;
  std::string context;
  std::string output;
  bool quiet = false;
  bool yes = false;
  bool dry_run = false;
};

/// What the commands share: the global flags, how to reach the cluster, and where to print.
class Shell {
 public:
  using Action = std::function<Result<>()>;

  GlobalFlags& flags() { return flags_; }
  const GlobalFlags& flags() const { return flags_; }
  const Clock& clock() const { return clock_; }

  /// Called by the command that was parsed: `label` ("topic create orders") stands in front of its
  /// errors.
  void choose(std::string label, Action action);
  const std::string& label() const { return label_; }
  /// invalid_argument when global flags make no sense; else what the action says.
  Result<> run();

  /// A client for the brokers that -b, SLUICE_BROKERS or the context names (in this order), with
  /// all properties checked. Connects when first used.
  Result<std::unique_ptr<client::Client>> connect() const;
  /// The admin port `named`, which may lack its port; empty: the usual one of the first broker.
  Result<io::Endpoint> admin_address(const std::string& named) const;
  /// The flag that names what the command could not reach; -b, unless the command says so.
  const std::string& reached_by() const { return reached_by_; }
  void reach_by(std::string flag) { reached_by_ = std::move(flag); }
  /// `start` with the properties of -X and the context that are a producer's or a consumer's.
  Result<client::ProducerOptions> producer_options(client::ProducerOptions start = {}) const;
  Result<client::ConsumerOptions> consumer_options(client::ConsumerOptions start = {}) const;

  /// What -b and -X say, as a context to be saved.
  Result<Context> context_of_flags() const;

  OutputFormat format() const { return format_; }
  /// To standard output; connection_closed when nobody reads it any more, and from then on
  /// output_gone(): its reader has what it wanted, as with `| head`.
  Result<> write(std::string_view text) const;
  bool output_gone() const { return output_gone_; }
  /// Prints to standard output in the format of -o.
  Result<> print(const Report& report) const;
  /// A message for people: standard output, not with -q, and as the report's document with -o json.
  Result<> say(std::string line, Json document, std::string name) const;
  /// To standard error, unless -q.
  void note(std::string_view line) const;
  /// To standard error, also with -q.
  void warn(std::string_view line) const;
  /// Asks on a terminal; elsewhere --yes must stand for the answer. `cancelled` when it is no.
  Result<> confirm(const std::string& question) const;

 private:
  Result<std::vector<std::pair<std::string, std::string>>> properties() const;
  Result<std::vector<std::string>> brokers() const;
  /// What the context in force says; empty without one.
  Result<Context> context() const;

  GlobalFlags flags_;
  io::SystemClock clock_;
  std::string label_;
  Action action_;
  OutputFormat format_ = OutputFormat::table;
  mutable bool output_gone_ = false;
  std::string reached_by_ = "-b HOST:PORT";
};

/// "key=value" arguments as a map; invalid_argument names the flag and the argument.
Result<std::map<std::string, std::string>> parse_pairs(const std::vector<std::string>& arguments,
                                                       std::string_view flag);

}  // namespace sluice::cli
