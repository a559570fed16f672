#pragma once

// The one table of errors. Columns: name, wire code of the native protocol (never reused, never
// renumbered), whether the same request may succeed later without a change, and what it means.
// Front ends and the command line map from here with exhaustive switches.
//
// clang-format off
#define SLUICE_ERRORS(X)                                                                              \
  /* The request. */                                                                                  \
  X(invalid_request,            1, false, "the request makes no sense as it stands")                  \
  X(invalid_argument,           2, false, "a value is outside of what is allowed")                    \
  X(unsupported_version,        3, false, "the peer speaks no protocol version that we speak")        \
  X(malformed_frame,            4, false, "the bytes do not decode")                                  \
  X(frame_too_large,            5, false, "the frame is larger than the limit")                       \
  X(unknown_topic_or_partition, 6, true,  "there is no such topic or partition here")                 \
  X(unknown_topic_id,           7, true,  "there is no topic with that id")                           \
  X(topic_exists,               8, false, "the topic exists already")                                 \
  X(invalid_topic_name,         9, false, "the topic name is not allowed")                            \
  X(invalid_partitions,        10, false, "the number of partitions is not allowed")                  \
  X(invalid_replication,       11, false, "the replication factor cannot be met")                     \
  X(invalid_config,            12, false, "a configuration key or value is not allowed")              \
  X(offset_out_of_range,       13, false, "the offset is outside of the log")                         \
  X(unknown_session,           14, true,  "the fetch session is not known")                           \
  X(not_authorized,            15, false, "not allowed to do this")                                   \
  X(unsupported,               16, false, "this is not supported")                                    \
  X(not_found,                 17, false, "there is no such thing")                                   \
  X(already_exists,            18, false, "it exists already")                                        \
  /* Records. */                                                                                      \
  X(corrupt_batch,             30, true,  "the batch fails its checksum or its structure is broken")  \
  X(invalid_record,            31, false, "the records of the batch do not agree with its header")    \
  X(batch_too_large,           32, false, "the batch is larger than the topic allows")                \
  X(unsupported_compression,   33, false, "the compression codec is not known")                       \
  X(invalid_timestamp,         34, false, "the timestamp is outside of what the topic allows")        \
  X(out_of_order_sequence,     35, false, "the producer's sequence number is not the next")           \
  X(duplicate_sequence,        36, false, "the producer's batch was appended before")                 \
  X(fenced_producer,           37, false, "a newer instance of the producer exists")                  \
  X(unknown_producer,          38, false, "the producer id is not known")                             \
  /* Leadership. */                                                                                   \
  X(not_leader,                50, true,  "this broker does not lead the partition")                  \
  X(fenced_leader_epoch,       51, true,  "the leader epoch is older than the broker's")              \
  X(unknown_leader_epoch,      52, true,  "the leader epoch is newer than the broker's")              \
  X(offset_not_available,      53, true,  "the new leader does not know its high watermark yet")      \
  X(not_enough_replicas,       54, true,  "too few replicas are in sync")                             \
  X(not_controller,            55, true,  "this broker is not the controller")                        \
  X(log_truncated,             59, false, "records that were read are no longer in the log")          \
  /* Resources and time. */                                                                           \
  X(out_of_memory,             70, true,  "the memory budget is spent")                               \
  X(pressure,                  71, true,  "the broker is under memory pressure")                      \
  X(throttled,                 72, true,  "a quota is spent")                                         \
  X(timed_out,                 73, true,  "it took longer than allowed")                              \
  X(cancelled,                 74, true,  "it was cancelled")                                         \
  X(shutting_down,             75, true,  "the broker is shutting down")                              \
  X(too_many,                  76, true,  "a limit on the number of things is reached")               \
  X(outcome_unknown,           77, true,  "whether it was done is not known")                         \
  X(would_block,               78, true,  "nothing can be done without waiting")                      \
  X(recovering,                79, true,  "recovery has not finished")                                \
  /* Disk. */                                                                                         \
  X(disk_full,                 90, true,  "no space is left on the device")                           \
  X(disk_failed,               91, true,  "the disk reported an error")                               \
  X(disk_offline,              92, true,  "the data directory is offline after an error")             \
  X(file_exists,               93, false, "the file exists already")                                  \
  X(file_not_found,            94, false, "there is no such file")                                    \
  X(corrupt_file,              95, false, "the file's content is not what it should be")              \
  X(locked,                    96, false, "another process uses it")                                  \
  X(wrong_cluster,             97, false, "the data belongs to another cluster or node")              \
  X(permission_denied,         98, false, "the operating system denies it")                           \
  X(partition_corrupt,         99, false, "the partition's log is damaged; it is served read-only")   \
  /* Network. */                                                                                      \
  X(connection_closed,        110, true,  "the connection was closed")                                \
  X(connection_refused,       111, true,  "nobody accepts connections there")                         \
  X(connection_failed,        112, true,  "the connection failed")                                    \
  X(unresolved_host,          113, true,  "the host name does not resolve")                           \
  X(address_in_use,           114, false, "the address is in use")                                    \
  /* Us. */                                                                                           \
  X(internal,                 120, false, "an unexpected condition inside the broker")
// clang-format on
