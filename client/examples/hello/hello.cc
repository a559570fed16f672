// Makes a topic, writes three records, reads them back, and deletes the topic.
//
//   hello [host:port]

#include <iostream>
#include <string>

#include <sluice/client.h>

namespace {

using namespace sluice::client;

sluice::Result<> greet(Client& client, const std::string& topic) {
  auto producer = client.producer();
  for (const std::string name : {"world", "moon", "stars"}) {
    const std::string greeting = "hello " + name;
    if (auto sent = producer->send(topic, {.key = name, .value = greeting}); !sent) return sent;
  }
  return producer->flush();
}

sluice::Result<> listen(Client& client, const std::string& topic, size_t records) {
  auto consumer = client.consumer();
  if (auto assigned = consumer->assign(topic, SeekBeginning{}); !assigned) return assigned;
  for (size_t seen = 0; seen < records;) {
    const auto polled = consumer->poll(100, Milliseconds(5'000));
    if (!polled) return sluice::fail(polled.error());
    if (polled->empty()) return sluice::fail(sluice::Errc::timed_out, "nothing came for 5 s");
    for (const auto& record : *polled) {
      std::cout << record.topic << '-' << record.partition.value() << " at "
                << record.offset.value() << ": " << record.value.value_or("") << '\n';
    }
    seen += polled->size();
  }
  return {};
}

sluice::Result<> run(const std::string& broker) {
  auto client = Client::open({.brokers = {broker}});
  if (!client) return sluice::fail(client.error());
  const std::string topic = "hello";
  auto admin = (*client)->admin();
  if (auto made = admin->create_topic({.name = topic, .partitions = 2}); !made) {
    return sluice::fail(made.error());
  }
  if (auto sent = greet(**client, topic); !sent) return sent;
  if (auto heard = listen(**client, topic, 3); !heard) return heard;
  return admin->delete_topic(topic);
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(argc > 1 ? argv[1] : "127.0.0.1:9092");
  if (result) return 0;
  std::cerr << "hello: " << result.error().message() << '\n';
  return 1;
}
