#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/mutation.h"
#include "tests/simulated/run.h"

namespace {

/// Runs one seed and shows what it did; true when all is well.
bool show(uint64_t seed, const sluice::sim::RunOptions& options, bool verbose) {
  // Before the run: what ends the program ends it after this line.
  std::printf("seed %llu: ", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const auto report = sluice::sim::run_seed(seed, options);
  std::printf(
      "trace %016llx, %llu steps, %.1f s, %zu acknowledged, %zu refused, %zu unknown, "
      "%zu read, %u power cuts\n",
      static_cast<unsigned long long>(report.trace), static_cast<unsigned long long>(report.steps),
      static_cast<double>(report.lasted.count()) / 1e9, report.acknowledged, report.refused,
      report.unknown, report.read, report.power_cuts);
  if (verbose || !report.broken.empty()) std::fputs(report.history.c_str(), stdout);
  for (const auto& sentence : report.broken) {
    std::printf("seed %llu: BROKEN: %s\n", static_cast<unsigned long long>(seed), sentence.c_str());
  }
  std::fflush(stdout);
  return report.broken.empty();
}

#ifdef SLUICE_MUTATIONS
void add_mutations(CLI::App& app) {
  app.add_option_function<std::string>(
         "--mutation",
         [](const std::string& name) {
           const auto at = std::ranges::find(sluice::kMutationNames, name);
           sluice::active_mutation =
               static_cast<sluice::Mutation>(at - sluice::kMutationNames.begin());
         },
         "the rule to break")
      ->check(CLI::IsMember(
          std::vector<std::string>(sluice::kMutationNames.begin(), sluice::kMutationNames.end())));
  app.add_flag_callback(
      "--mutations",
      [] {
        for (const auto name : sluice::kMutationNames) std::puts(std::string(name).c_str());
        std::exit(0);
      },
      "print their names");
}
#else
void add_mutations(CLI::App&) {}
#endif

}  // namespace

int main(int argc, char** argv) {
  uint64_t seed = 1;
  uint64_t seeds = 1;
  bool verbose = false;
  bool keep_going = false;
  sluice::sim::RunOptions options;
  CLI::App app("Runs a simulated cluster from each seed while things go wrong, and checks it");
  app.add_option("--seed", seed, "the first seed");
  app.add_option("--seeds", seeds, "how many, one after the other");
  app.add_option("--brokers", options.brokers, "of the cluster")->check(CLI::Range(1, 9));
  app.add_option("--misfortunes", options.misfortunes, "in each run; 0: none");
  app.add_flag("--trust-cache", options.trust_cache,
               "restart the process alone after a failed sync");
  app.add_flag("--keep-going", keep_going, "also after a seed that breaks something");
  app.add_flag("--verbose", verbose, "show the history of runs that went well too");
  app.add_option("--lines", options.shown_lines, "of a history, at most");
  app.add_option("--about", options.about,
                 "of a history, only lines with this text, such as a partition: synced-0");
  add_mutations(app);
  CLI11_PARSE(app, argc, argv);
  uint64_t broken = 0;
  for (uint64_t i = 0; i < seeds; ++i) {
    if (show(seed + i, options, verbose)) continue;
    ++broken;
    if (!keep_going) break;
  }
  std::printf("%llu of %llu seeds broke something\n", static_cast<unsigned long long>(broken),
              static_cast<unsigned long long>(seeds));
  return broken == 0 ? 0 : 1;
}
