#include "client/cli/doctor/report.h"

#include <algorithm>
#include <string>
#include <utility>

#include "client/cli/words.h"

namespace sluice::cli::doctor {
namespace {

std::string padded(std::string_view text, size_t width) {
  return std::string(text) + std::string(width - std::min(width, text.size()), ' ') + "  ";
}

std::string line_of(const Finding& finding, size_t width) {
  std::string line = padded(name_of(finding.verdict), 4) + padded(finding.check, width) +
                     finding.found + "  (wanted: " + finding.wanted + ")";
  if (!finding.way_out.empty()) line += "  -> " + finding.way_out;
  return line;
}

Json document_of(const MachineFacts& machine, const MemoryShares& shares) {
  Json document = {{"memory_bytes", nullptr}, {"cores", machine.cores}};
  if (machine.memory) document["memory_bytes"] = *machine.memory;
  document["broker_bytes"] = shares.broker;
  document["system_bytes"] = shares.system;
  document["page_cache_bytes"] = shares.page_cache;
  return document;
}

}  // namespace

size_t count_of(std::span<const Finding> findings, Verdict verdict) {
  return static_cast<size_t>(std::ranges::count(findings, verdict, &Finding::verdict));
}

Report report_of(const MachineFacts& machine, const MemoryShares& shares,
                 std::span<const Finding> findings, bool quiet) {
  Report report;
  size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.check.size());
  Json list = Json::array();
  for (const Finding& finding : findings) {
    const bool is_ok = finding.verdict == Verdict::ok;
    if (!is_ok || !quiet) report.lines.push_back(line_of(finding, width));
    if (!is_ok) report.names.push_back(finding.check);
    list.push_back({{"check", finding.check},
                    {"verdict", name_of(finding.verdict)},
                    {"found", finding.found},
                    {"wanted", finding.wanted},
                    {"way_out", finding.way_out}});
  }
  Json counts = Json::object();
  std::string sum;
  for (const Verdict verdict : {Verdict::ok, Verdict::warn, Verdict::fail}) {
    const size_t count = count_of(findings, verdict);
    counts[std::string(name_of(verdict))] = count;
    sum += (sum.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(name_of(verdict));
  }
  if (!quiet) report.lines.push_back(sum);
  report.document = {{"well", count_of(findings, Verdict::fail) == 0},
                     {"counts", std::move(counts)},
                     {"machine", document_of(machine, shares)},
                     {"findings", std::move(list)}};
  return report;
}

Report report_of(const Plan& plan) {
  Report report{.document = {{"profile", plan.profile}, {"profile_because", plan.profile_because}}};
  Table table{.columns = {{"EACH BROKER"}, {"NEEDS", true}, {"BECAUSE"}}};
  table.rows.push_back({"profile", plan.profile, plan.profile_because});
  Json values = Json::object();
  for (const PlanRow& row : plan.rows) {
    table.rows.push_back({row.title, row.text, row.because});
    values[row.key] = {{"value", row.number}, {"because", row.because}};
  }
  for (const std::string& key : plan.keys) {
    table.rows.push_back({"key", key, "beyond the profile"});
  }
  report.document["values"] = std::move(values);
  report.document["keys"] = plan.keys;
  report.tables.push_back(std::move(table));
  report.names.push_back(plan.profile);
  return report;
}

}  // namespace sluice::cli::doctor
