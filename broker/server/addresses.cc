#include "broker/server/addresses.h"

namespace sluice::broker {

std::shared_ptr<AddressAccount> Addresses::connect(const std::string& host) {
  auto accounts = accounts_.lock();
  auto& account = (*accounts)[host];
  if (!account) {
    account = std::make_shared<AddressAccount>();
    account->host = host;
  }
  if (account->connections >= most_) return nullptr;
  ++account->connections;
  return account;
}

void Addresses::disconnect(AddressAccount& account) {
  auto accounts = accounts_.lock();
  if (--account.connections > 0) return;
  // Frames that are still admitted keep the account itself alive; a copy, because the name dies
  // with it.
  const std::string host = account.host;
  accounts->erase(host);
}

}  // namespace sluice::broker
