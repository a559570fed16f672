#pragma once

#include <string>
#include <vector>

#include "tests/simulated/history.h"

namespace sluice::sim {

/// What must hold of every run once it is over and its log was read: a sentence for each thing that
/// does not. Of a log that could not be read to its end, nothing is missed.
///
/// - Every acknowledged record is in the log once, at its offset. So is every record that was read.
///   A power cut that came later excuses topics that do not sync.
/// - Offsets are dense.
/// - No record is in the log twice, unless its producer repeats itself.
/// - The records of an idempotent producer stand in each partition in the order they were sent.
/// - An offset names one value: for ever where it was synced, else within a leader epoch, because a
///   power cut ends both the epoch and what was not synced.
/// - A reader gets offset after offset and its high watermark never goes back; without syncs only
///   until a power cut.
/// - Nobody is told an end below what had been acknowledged before he asked, by whomever; the same
///   power cuts excuse it.
/// - A record that was refused is nowhere.
std::vector<std::string> broken_invariants(const History& history);

}  // namespace sluice::sim
