#pragma once

#include "storage/log_context.h"
#include "storage/log_writer.h"

namespace sluice::storage {

/// Opens what is in a log's folder: finds the segments, checks and indexes what the checkpoints do
/// not vouch for, cuts a torn tail, tells damage, loads epochs and producers; an empty folder
/// becomes an empty log. Fills `log.state`.
/// Reports progress to params.on_recovered.
io::Task<Result<LogWriter::Start>> recover(LogContext& log, const LogParams& params);

}  // namespace sluice::storage
