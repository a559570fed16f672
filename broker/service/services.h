#pragma once

#include "broker/service/delete_records.h"
#include "broker/service/fetch.h"
#include "broker/service/init_producer.h"
#include "broker/service/list_offsets.h"
#include "broker/service/metadata.h"
#include "broker/service/produce.h"
#include "broker/service/topics.h"

namespace sluice::broker {

/// All that front ends can ask for. Each verb may be called from any worker loop.
struct Services {
  Produce& produce;
  Fetch& fetch;
  ListOffsets& list_offsets;
  DeleteRecords& delete_records;
  InitProducer& init_producer;
  Metadata& metadata;
  Topics& topics;
};

}  // namespace sluice::broker
