#pragma once

#include "base/bytes.h"
#include "base/settings.h"
#include "client/include/sluice/types.h"

namespace sluice::client {

/// Every property of the client by its Kafka name, for set_property, help and completion.
const SettingsTable<ClientOptions>& client_properties();
const SettingsTable<ProducerOptions>& producer_properties();
const SettingsTable<ConsumerOptions>& consumer_properties();

}  // namespace sluice::client
