#pragma once

#include <CLI/CLI.hpp>

#include "client/cli/shell.h"

namespace sluice::cli {

// One function a command, each in a file of its own: it adds the command under `parent`; when the
// command is parsed, `shell` is told what to run. Both outlive the run.

void add_topic_create(CLI::App& parent, Shell& shell);
void add_topic_list(CLI::App& parent, Shell& shell);
void add_topic_describe(CLI::App& parent, Shell& shell);
void add_topic_alter(CLI::App& parent, Shell& shell);
void add_topic_delete(CLI::App& parent, Shell& shell);
void add_produce(CLI::App& parent, Shell& shell);
void add_consume(CLI::App& parent, Shell& shell);
void add_offsets(CLI::App& parent, Shell& shell);
void add_cluster_status(CLI::App& parent, Shell& shell);
void add_cluster_join(CLI::App& parent, Shell& shell);
void add_cluster_leave(CLI::App& parent, Shell& shell);
void add_broker_drain(CLI::App& parent, Shell& shell);
void add_partition_move(CLI::App& parent, Shell& shell);
void add_partition_moves(CLI::App& parent, Shell& shell);
void add_memory_top(CLI::App& parent, Shell& shell);
void add_log_dump(CLI::App& parent, Shell& shell);
void add_bench_produce(CLI::App& parent, Shell& shell);
void add_bench_consume(CLI::App& parent, Shell& shell);
void add_bench_latency(CLI::App& parent, Shell& shell);
void add_doctor(CLI::App& parent, Shell& shell);
void add_context(CLI::App& parent, Shell& shell);
void add_completion(CLI::App& parent, Shell& shell);

}  // namespace sluice::cli
