#include <memory>

#include "base/size_text.h"
#include "client/cli/commands.h"
#include "client/cli/json_text.h"
#include "client/cli/words.h"
#include "io/block_on.h"
#include "io/console.h"
#include "io/system.h"
#include "proto/record/compression.h"
#include "storage/inspect.h"

namespace sluice::cli {
namespace {

constexpr size_t kMemory = 512_MiB;
constexpr size_t kWriteSize = 256_KiB;

struct Flags {
  std::string path;
  bool records = false;
  bool verify = false;
  bool dense = false;
};

/// Bytes as a person can read them: quoted like JSON, or said to be base64.
std::string readable(const std::optional<ByteView>& bytes) {
  if (!bytes) return "none";
  std::string text;
  if (is_utf8(as_text(*bytes))) {
    append_json_string(text, as_text(*bytes));
  } else {
    text = "base64:" + to_base64(as_text(*bytes));
  }
  return text;
}

void set_bytes(Json& object, const std::string& name, const std::optional<ByteView>& bytes) {
  if (!bytes) {
    object[name] = nullptr;
  } else if (is_utf8(as_text(*bytes))) {
    object[name] = as_text(*bytes);
  } else {
    object[name + "_base64"] = to_base64(as_text(*bytes));
  }
}

/// Prints what an inspection finds, each piece as a line: for people, or as a JSON object.
class Dump {
 public:
  Dump(const Shell& shell, bool json) : shell_(shell), json_(json) {}

  storage::InspectSink sink() {
    storage::InspectSink sink;
    sink.on_problem = [this](const std::string& path, const std::string& problem) {
      print({{"type", "problem"}, {"path", path}, {"problem", problem}},
            "PROBLEM " + path + ": " + problem);
    };
    if (shell_.flags().quiet) return sink;
    sink.on_file = [this](const std::string& path, uint64_t bytes) {
      print({{"type", "file"}, {"path", path}, {"bytes", bytes}},
            path + "  " + format_rough_size(bytes));
    };
    sink.on_batch = [this](const storage::InspectedBatch& batch) { print_batch(batch); };
    sink.on_record = [this](const storage::InspectedBatch&, const record::RecordView& record) {
      print_record(record);
    };
    sink.on_entry = [this](const storage::InspectedEntry& entry) { print_entry(entry); };
    sink.on_epochs = [this](const std::string&, const storage::LeaderEpochs& epochs) {
      for (const auto& entry : epochs.entries()) {
        print({{"type", "epoch"}, {"epoch", entry.epoch.value()}, {"start", entry.start.value()}},
              "  epoch " + std::to_string(entry.epoch.value()) + " from offset " +
                  std::to_string(entry.start.value()));
      }
    };
    return sink;
  }

  void print_summary(const storage::InspectCounts& counts) {
    print({{"type", "summary"},
           {"logs", counts.logs},
           {"files", counts.files},
           {"bytes", counts.bytes},
           {"batches", counts.batches},
           {"records", counts.records},
           {"index_entries", counts.index_entries},
           {"gaps", counts.gaps},
           {"problems", counts.problems}},
          counted(counts.logs, "log") + ", " + counted(counts.files, "file") + ", " +
              format_rough_size(counts.bytes) + ", " + counted(counts.batches, "batch", "batches") +
              ", " + counted(counts.records, "record") + ", " +
              counted(counts.problems, "problem"));
  }

  /// The first error of writing, if any; the rest of the output was dropped then.
  Result<> finish() {
    write();
    return std::move(written_);
  }

 private:
  void print_batch(const storage::InspectedBatch& batch) {
    const record::BatchHeader& header = batch.header;
    if (!json_) {
      std::string line = "  batch " + std::to_string(header.base_offset.value()) + "-" +
                         std::to_string(header.last_offset().value()) + "  at " +
                         std::to_string(batch.position) + "  " +
                         std::to_string(header.size_in_bytes()) + " bytes  " +
                         counted(static_cast<uint64_t>(header.record_count), "record") +
                         "  epoch " + std::to_string(header.leader_epoch.value()) + "  " +
                         std::string(record::name_of(header.codec())) + "  " +
                         format_timestamp(header.max_timestamp);
      if (header.has_producer()) {
        line += "  producer " + std::to_string(header.producer_id.value()) + "/" +
                std::to_string(header.producer_epoch.value()) + " sequence " +
                std::to_string(header.base_sequence);
      }
      if (header.is_control()) line += "  control";
      if (batch.crc_ok) line += *batch.crc_ok ? "  crc ok" : "  CRC WRONG";
      add(line);
      return;
    }
    Json object = {{"type", "batch"},
                   {"base_offset", header.base_offset.value()},
                   {"last_offset", header.last_offset().value()},
                   {"position", batch.position},
                   {"bytes", header.size_in_bytes()},
                   {"records", header.record_count},
                   {"leader_epoch", header.leader_epoch.value()},
                   {"codec", record::name_of(header.codec())},
                   {"base_timestamp", header.base_timestamp.value()},
                   {"max_timestamp", header.max_timestamp.value()},
                   {"producer_id", header.producer_id.value()},
                   {"producer_epoch", header.producer_epoch.value()},
                   {"base_sequence", header.base_sequence},
                   {"control", header.is_control()},
                   {"transactional", header.is_transactional()}};
    if (batch.crc_ok) object["crc_ok"] = *batch.crc_ok;
    add(object.dump());
  }

  void print_record(const record::RecordView& record) {
    Json object;
    if (json_) {
      object = {{"type", "record"},
                {"offset", record.offset.value()},
                {"timestamp", record.timestamp.value()}};
      set_bytes(object, "key", record.key);
      set_bytes(object, "value", record.value);
    }
    print(object, "    " + std::to_string(record.offset.value()) + "  " +
                      format_timestamp(record.timestamp) + "  key " + readable(record.key) +
                      "  value " + readable(record.value));
  }

  void print_entry(const storage::InspectedEntry& entry) {
    const std::string offset = std::to_string(entry.offset.value());
    if (entry.position) {
      print({{"type", "offset_entry"},
             {"offset", entry.offset.value()},
             {"position", *entry.position}},
            "  offset " + offset + " at " + std::to_string(*entry.position));
    } else if (entry.timestamp) {
      print({{"type", "time_entry"},
             {"offset", entry.offset.value()},
             {"timestamp", entry.timestamp->value()}},
            "  " + format_timestamp(*entry.timestamp) + " at offset " + offset);
    }
  }

  void print(const Json& object, const std::string& line) {
    add(json_ ? object.dump(-1, ' ', false, Json::error_handler_t::replace) : line);
  }
  void add(const std::string& line) {
    out_ += line;
    out_ += '\n';
    if (out_.size() >= kWriteSize) write();
  }
  void write() {
    if (written_) written_ = shell_.write(out_);
    out_.clear();
  }

  const Shell& shell_;
  const bool json_;
  std::string out_;
  Result<> written_;
};

Result<> dump(const Shell& shell, const Flags& flags) {
  const bool json = shell.format() == OutputFormat::json;
  if (!json && shell.format() != OutputFormat::table && shell.format() != OutputFormat::wide) {
    return fail(Errc::invalid_argument, "a dump is printed as lines; take -o table or -o json");
  }
  io::System system({.workers = 1, .pool_threads = 1});
  MemoryBudget memory("log dump", kMemory);
  Dump out(shell, json);
  const auto counts = io::block_on(
      system.runtime().executor.worker(0),
      storage::inspect(system.runtime().disk, flags.path,
                       {.records = flags.records, .verify = flags.verify, .dense = flags.dense},
                       out.sink(), memory));
  if (!counts) return fail(counts.error());
  out.print_summary(*counts);
  RETURN_IF_ERROR(out.finish());
  if (counts->problems == 0) return {};
  return fail(Errc::corrupt_file, counted(counts->problems, "problem") + " found");
}

}  // namespace

void add_log_dump(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand(
      "dump", "Prints what is in a data directory, a log or one of its files, offline");
  const auto flags = std::make_shared<Flags>();
  command.add_option("path", flags->path, "DIR or FILE; no broker may be writing it")->required();
  command.add_flag("--records", flags->records, "The records of each batch, too");
  command.add_flag("--verify", flags->verify,
                   "Checks checksums and records, and that indexes, epochs, snapshots and "
                   "checkpoints agree with them; exits with 1 when something is wrong");
  command.add_flag("--dense", flags->dense,
                   "Takes a gap between offsets as a problem: nothing was compacted");
  command.footer(
      "With -q only problems and the summary are printed.\n"
      "Examples:\n"
      "  sluice log dump /var/lib/sluice/orders-0\n"
      "  sluice log dump /var/lib/sluice/orders-0/00000000000000000000.log --records\n"
      "  sluice log dump /var/lib/sluice --verify -q");
  command.callback([&shell, flags] {
    shell.choose("log dump " + flags->path, [&shell, flags] { return dump(shell, *flags); });
  });
}

}  // namespace sluice::cli
