#pragma once

// What every Network promises. Included by one source file of a test program, which then makes
// INSTANTIATE_TEST_SUITE_P(Name, NetworkContract, testing::Values(WorldMaker{...}), name_of_world).

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "io/movable_socket.h"
#include "io/sync.h"
#include "tests/support/world.h"

namespace sluice::io {

class NetworkContract : public WorldTest {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NetworkContract);

namespace network_contract {

using testing::HasSubstr;

inline constexpr Duration kLong = 20s;

inline std::vector<std::byte> pattern(size_t size, uint64_t seed = 1) {
  SeededRandom random(seed);
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

inline Task<Result<>> write(Socket& socket, ByteView bytes) {
  const std::array parts = {bytes};
  co_return co_await write_all(socket, parts);
}

/// Whether exactly these bytes come next.
inline Task<bool> comes(Socket& socket, std::vector<std::byte> expected) {
  std::vector<std::byte> got(expected.size());
  const auto result = co_await read_exactly(socket, got);
  co_return result&& got == expected;
}

/// Both ends of a connection and the listener that made it, on the current loop.
struct Connection {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Socket> client;
  std::unique_ptr<Socket> server;
};
inline Task<Result<Connection>> connection(Network& network) {
  Connection made;
  CO_ASSIGN_OR_RETURN(made.listener, co_await network.listen({"127.0.0.1", 0}));
  const TimePoint deadline = Loop::current()->now() + kLong;
  CO_ASSIGN_OR_RETURN(made.client, co_await network.connect(made.listener->local(), deadline));
  CO_ASSIGN_OR_RETURN(made.server, co_await made.listener->accept());
  made.server->attach(*Loop::current());
  co_return made;
}

template <class T>
void expect_error(const Result<T>& result, Errc code, const std::string& named = {}) {
  ASSERT_FALSE(result.has_value()) << "no error " << name_of(code);
  EXPECT_EQ(name_of(result.error().code()), name_of(code)) << result.error().message();
  EXPECT_THAT(std::string(result.error().message()), HasSubstr(named));
}

TEST_P(NetworkContract, CarriesBytesBothWays) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    for (uint64_t i = 1; i <= 100; ++i) {
      CO_ASSERT_OK(co_await write(*made->client, pattern(i * 37, i)));
      EXPECT_TRUE(co_await comes(*made->server, pattern(i * 37, i)));
      CO_ASSERT_OK(co_await write(*made->server, pattern(i, i)));
      EXPECT_TRUE(co_await comes(*made->client, pattern(i, i)));
    }
  });
}

TEST_P(NetworkContract, GathersThePartsOfAWrite) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    const auto content = pattern(2'000 * 3);
    std::vector<ByteView> parts;
    for (size_t i = 0; i < 2'000; ++i) {
      parts.push_back(ByteView(content).subspan(i * 3, 3));
      if (i % 7 == 0) parts.emplace_back();
    }
    CO_ASSERT_OK(co_await write_all(*made->client, parts));
    EXPECT_TRUE(co_await comes(*made->server, content));
  });
}

TEST_P(NetworkContract, NamesThePeers) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    EXPECT_NE(made->listener->local().port, 0);
    EXPECT_EQ(made->client->peer(), made->listener->local());
    EXPECT_EQ(made->server->peer().host, "127.0.0.1");
  });
}

TEST_P(NetworkContract, WouldBlockWhenNothingIsThere) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    std::array<std::byte, 10> out;
    const auto count = made->server->try_read(out);
    expect_error(count, Errc::would_block);
    EXPECT_FALSE(count.error().has_detail());
  });
}

TEST_P(NetworkContract, TellsTheEndOfTheStreamAfterTheLastByte) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    CO_ASSERT_OK(co_await write(*made->client, pattern(100)));
    made->client->close();
    EXPECT_TRUE(co_await comes(*made->server, pattern(100)));
    CO_ASSERT_OK(co_await made->server->readable());
    std::array<std::byte, 10> out;
    EXPECT_EQ(made->server->try_read(out), 0u);
    expect_error(co_await read_exactly(*made->server, out), Errc::connection_closed, "127.0.0.1");
  });
}

TEST_P(NetworkContract, ClosingWakesWhoWaits) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    Scope scope;
    scope.start([](Socket& socket) -> Task<void> {
      expect_error(co_await socket.readable(), Errc::connection_closed);
    }(*made->server));
    scope.start([](Listener& listener) -> Task<void> {
      expect_error(co_await listener.accept(), Errc::connection_closed);
    }(*made->listener));
    made->server->close();
    made->listener->close();
    co_await scope.join();
    expect_error(co_await made->server->readable(), Errc::connection_closed);
    expect_error(co_await made->listener->accept(), Errc::connection_closed);
  });
}

TEST_P(NetworkContract, UsingAClosedSocketFails) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    made->client->close();
    made->client->close();
    std::array<std::byte, 10> out;
    expect_error(made->client->try_read(out), Errc::connection_closed);
    expect_error(co_await write(*made->client, pattern(10)), Errc::connection_closed);
  });
}

TEST_P(NetworkContract, WritingToAPeerThatLeftFails) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    made->server->close();
    Result<> result;
    while (result) result = co_await write(*made->client, pattern(10'000));
    expect_error(result, Errc::connection_closed, made->listener->local().to_string());
  });
}

inline Task<void> send_pattern(Socket& socket, size_t size) {
  EXPECT_TRUE(co_await write(socket, pattern(size)));
}

TEST_P(NetworkContract, HoldsTheWriterBackUntilTheReaderReads) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    constexpr size_t kSize = 32 << 20;
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    std::vector<std::byte> full(1 << 20);
    const std::array<ByteView, 1> parts = {full};
    size_t taken = 0;
    while (auto count = made->client->try_write(parts, false)) taken += *count;
    EXPECT_LT(taken, kSize) << "no end to what the network takes";
    std::vector<std::byte> sink(taken);
    CO_ASSERT_OK(co_await read_exactly(*made->server, sink));

    Scope scope;
    scope.start(send_pattern(*made->client, kSize));
    EXPECT_TRUE(co_await comes(*made->server, pattern(kSize)));
    co_await scope.join();
  });
}

TEST_P(NetworkContract, WaitsForTheReadThreshold) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    made->server->set_read_threshold(10'000);
    Scope scope;
    scope.start([](Socket& socket) -> Task<void> {
      for (size_t i = 0; i < 10; ++i) {
        EXPECT_TRUE(co_await write(socket, pattern(1'000)));
        co_await Loop::current()->yield();
      }
    }(*made->client));
    CO_ASSERT_OK(co_await made->server->readable());
    std::vector<std::byte> out(20'000);
    EXPECT_EQ(made->server->try_read(out), 10'000u);
    co_await scope.join();
  });
}

TEST_P(NetworkContract, TheEndOfTheStreamPassesTheReadThreshold) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    made->server->set_read_threshold(10'000);
    CO_ASSERT_OK(co_await write(*made->client, pattern(100)));
    made->client->close();
    CO_ASSERT_OK(co_await made->server->readable());
    EXPECT_TRUE(co_await comes(*made->server, pattern(100)));
  });
}

/// All of a range of the file, as a connection would send it.
inline Task<Result<>> send_file(Socket& socket, File& file, uint64_t position, size_t length) {
  while (length > 0) {
    auto count = socket.try_send_file(file, position, length, false);
    if (!count && count.error() == Errc::would_block) {
      CO_RETURN_IF_ERROR(co_await socket.writable());
      continue;
    }
    CO_RETURN_IF_ERROR(count);
    if (*count == 0) co_return fail(Errc::corrupt_file, file.path() + " ends early");
    position += *count;
    length -= *count;
  }
  co_return Result<>{};
}

TEST_P(NetworkContract, SendsRangesOfFiles) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    auto file = co_await runtime.disk.open(directory + "/a", OpenMode::create);
    CO_ASSERT_OK(file);
    const auto content = pattern(3 << 20);
    const std::array<ByteView, 1> parts = {content};
    CO_ASSERT_OK(co_await (*file)->write_at(0, parts, Lane::hot));
    const auto header = pattern(20, 2);
    const std::array<ByteView, 1> head = {header};
    EXPECT_EQ(made->client->try_write(head, true), 20u);
    Scope scope;
    scope.start([](Socket& socket, File& source) -> Task<void> {
      EXPECT_TRUE(co_await send_file(socket, source, 1'000, 3'000'000));
    }(*made->client, **file));
    EXPECT_TRUE(co_await comes(*made->server, header));
    const std::vector range(content.begin() + 1'000, content.begin() + 3'001'000);
    EXPECT_TRUE(co_await comes(*made->server, range));
    co_await scope.join();
    EXPECT_EQ(made->client->try_send_file(**file, 3 << 20, 10, false), 0u);
  });
}

TEST_P(NetworkContract, RefusesConnectionsWhereNobodyListens) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto listener = co_await runtime.network.listen({"127.0.0.1", 0});
    CO_ASSERT_OK(listener);
    const Endpoint at = (*listener)->local();
    (*listener)->close();
    listener->reset();
    const TimePoint deadline = Loop::current()->now() + kLong;
    expect_error(co_await runtime.network.connect(at, deadline), Errc::connection_refused,
                 at.to_string());
  });
}

TEST_P(NetworkContract, RefusesASecondListener) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto listener = co_await runtime.network.listen({"127.0.0.1", 0});
    CO_ASSERT_OK(listener);
    const Endpoint at = (*listener)->local();
    expect_error(co_await runtime.network.listen(at), Errc::address_in_use, at.to_string());
    listener->reset();
    CO_ASSERT_OK(co_await runtime.network.listen(at));
  });
}

TEST_P(NetworkContract, ServesAConnectionOnAnotherLoop) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto listener = co_await runtime.network.listen({"127.0.0.1", 0});
    CO_ASSERT_OK(listener);
    const TimePoint deadline = Loop::current()->now() + kLong;
    auto client = co_await runtime.network.connect((*listener)->local(), deadline);
    CO_ASSERT_OK(client);
    auto server = co_await (*listener)->accept();
    CO_ASSERT_OK(server);
    Scope scope;
    scope.start([](std::unique_ptr<Socket> socket, Loop& worker) -> Task<void> {
      co_await worker.enter();
      socket->attach(worker);
      EXPECT_TRUE(co_await comes(*socket, pattern(1'000)));
      EXPECT_TRUE(co_await write(*socket, pattern(1'000, 2)));
      socket.reset();
    }(std::move(*server), runtime.executor.worker(0)));
    CO_ASSERT_OK(co_await write(**client, pattern(1'000)));
    EXPECT_TRUE(co_await comes(**client, pattern(1'000, 2)));
    co_await scope.join();
  });
}

TEST_P(NetworkContract, WhatWasPeekedAtStaysForTheLoopThatTheSocketMovesTo) {
  check([](Runtime& runtime, std::string) -> Task<void> {
    auto made = co_await connection(runtime.network);
    CO_ASSERT_OK(made);
    auto& accepted = static_cast<MovableSocket&>(*made->server);
    expect_error(co_await accepted.readable_by(Loop::current()->now() + 5ms), Errc::timed_out);
    const auto sent = pattern(1'000);
    CO_ASSERT_OK(co_await write(*made->client, sent));
    accepted.set_read_threshold(sent.size());
    CO_ASSERT_OK(co_await accepted.readable_by(Loop::current()->now() + kLong));
    std::vector<std::byte> begin(100);
    const auto peeked = accepted.try_peek(begin);
    CO_ASSERT_OK(peeked);
    EXPECT_EQ(*peeked, begin.size());
    EXPECT_TRUE(std::ranges::equal(begin, ByteView(sent).first(begin.size())));
    accepted.set_read_threshold(1);
    accepted.detach();
    Scope scope;
    scope.start([](std::unique_ptr<Socket> socket, Loop& worker) -> Task<void> {
      co_await worker.enter();
      socket->attach(worker);
      EXPECT_TRUE(co_await comes(*socket, pattern(1'000)));
      EXPECT_TRUE(co_await write(*socket, pattern(1'000, 2)));
      EXPECT_TRUE(co_await comes(*socket, pattern(10, 3)));
      socket.reset();
    }(std::move(made->server), runtime.executor.worker(0)));
    EXPECT_TRUE(co_await comes(*made->client, pattern(1'000, 2)));
    CO_ASSERT_OK(co_await write(*made->client, pattern(10, 3)));
    co_await scope.join();
  });
}

}  // namespace network_contract
}  // namespace sluice::io
