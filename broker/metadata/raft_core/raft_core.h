#pragma once

/* The consensus engine (raft-rs) behind a C interface. One handle is one voter or learner; it has
 * no thread, clock, disk or socket. Calls on a handle come from one thread at a time. Ids are not
 * 0. Bytes are flat and little-endian (src/flat.rs): numbers of 64 bits, lists and byte strings
 * with their length in front. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SluiceRaft SluiceRaft;

enum {
  SLUICE_RAFT_OK = 0,
  SLUICE_RAFT_NOT_LEADER = 1,
  /* The engine does not take it now; a message: as if it had been lost. */
  SLUICE_RAFT_DROPPED = 2,
  /* A change of the configuration or a transfer is under way, or too much is uncommitted. */
  SLUICE_RAFT_BUSY = 3,
  SLUICE_RAFT_INVALID = 4,
  /* The engine broke an invariant of its own: the handle is spoilt, so is every later call. */
  SLUICE_RAFT_PANICKED = 5
};

/* Never null; when the state makes no sense every call says panicked, and error() why. */
SluiceRaft* sluice_raft_new(const uint8_t* settings, size_t length);
void sluice_raft_free(SluiceRaft* raft);
const char* sluice_raft_error(const SluiceRaft* raft);

int32_t sluice_raft_tick(SluiceRaft* raft);
/* While it is held it does not ask to be elected. */
int32_t sluice_raft_hold(SluiceRaft* raft, bool held);
int32_t sluice_raft_campaign(SluiceRaft* raft);
int32_t sluice_raft_step(SluiceRaft* raft, uint64_t from, const uint8_t* message, size_t length);
/* place: index and term of the entry. */
int32_t sluice_raft_propose(SluiceRaft* raft, const uint8_t* data, size_t length, uint64_t* place);
/* kind: 0 makes a voter, 1 a learner, 2 neither. */
int32_t sluice_raft_propose_change(SluiceRaft* raft, uint64_t kind, uint64_t id, uint64_t* place);
int32_t sluice_raft_transfer(SluiceRaft* raft, uint64_t to);
/* A leader asks the voters whether they count on it; ready() says when most did. Not 0. */
int32_t sluice_raft_confirm(SluiceRaft* raft, uint64_t number);
int32_t sluice_raft_report_unreachable(SluiceRaft* raft, uint64_t id);
/* Owed for every message marked as a snapshot: the peer is sent nothing else before. */
int32_t sluice_raft_report_snapshot(SluiceRaft* raft, uint64_t id, bool arrived);

/* What is to be done; no bytes when there is nothing. The bytes live until the next call. */
int32_t sluice_raft_ready(SluiceRaft* raft, const uint8_t** bytes, size_t* length);
/* Everything up to the ready with this number is durable. */
int32_t sluice_raft_persisted(SluiceRaft* raft, uint64_t number);
/* For each committed change of the configuration, before applied(). */
int32_t sluice_raft_apply_change(SluiceRaft* raft, const uint8_t* data, size_t length);
int32_t sluice_raft_applied(SluiceRaft* raft, uint64_t index);
/* The state after an applied entry that is still in the log, since which the configuration did not
   change, when status() says that a snapshot is wanted. */
int32_t sluice_raft_offer_snapshot(SluiceRaft* raft, uint64_t index, const uint8_t* data,
                                   size_t length);
/* A snapshot stands for the entries up to `covered`. Of them the last ones stay, so many and so
   many bytes of them at most. */
int32_t sluice_raft_compact(SluiceRaft* raft, uint64_t covered, uint64_t entries, uint64_t bytes);
int32_t sluice_raft_status(SluiceRaft* raft, const uint8_t** bytes, size_t* length);

#ifdef __cplusplus
}
#endif
