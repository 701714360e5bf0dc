// SPDX-License-Identifier: Apache-2.0
// What the simulation stands on: virtual time, streams, and a transport that does not block.
#include "catch.hpp"

#include <algorithm>

#include "comm/simulation/simulated_cluster.hpp"
#include "comm/transport/message.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

struct Recorder final : Actor {
    void wake(int what) override { words.push_back(what); }
    std::vector<int> words;
};

std::vector<std::byte> rising(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i);
    return bytes;
}

// Both ends of one stream.
struct Line {
    explicit Line(StreamOptions options) : stream(time, dice, options, {&writer, 1}, {&reader, 2}) {}

    std::vector<std::byte> take() {
        std::vector<std::byte> bytes(stream.readable());
        stream.read(bytes);
        return bytes;
    }

    VirtualTime time;
    Dice dice{1};
    Recorder writer, reader;
    Stream stream;
};

}  // namespace

TEST_CASE("virtual time jumps from event to event, and keeps the order of those of one moment") {
    VirtualTime time;
    Recorder recorder;
    time.after(std::chrono::seconds(5), recorder, 3);
    time.after(std::chrono::seconds(1), recorder, 1);
    time.after(std::chrono::seconds(1), recorder, 2);
    while (time.step()) {
    }
    CHECK(recorder.words == std::vector<int>{1, 2, 3});
    CHECK(time.seconds_since_start() == 5);
    time.at(Time{}, recorder, 4);  // the past is now
    CHECK(time.step());
    CHECK(time.seconds_since_start() == 5);
}

TEST_CASE("a stream: latency and rate, a window, and room that is told of") {
    Line line({.latency_seconds = 1, .seconds_per_byte = 0.5, .window = 6});
    CHECK(line.stream.write(rising(4)) == 4);
    CHECK(line.stream.write(rising(4)) == 2);
    CHECK(line.stream.readable() == 0);
    REQUIRE(line.time.step());
    CHECK(line.time.seconds_since_start() == 3);  // four bytes at two a second, and a second on the way
    CHECK(line.take() == rising(4));
    while (line.time.step()) {
    }
    CHECK(line.take() == rising(2));
    CHECK(line.writer.words == std::vector<int>{1});
    CHECK(line.reader.words == std::vector<int>{2, 2});
    CHECK(line.time.seconds_since_start() == 4);
}

TEST_CASE("a stream ends in order, or loses what is under way") {
    for (const bool orderly : {true, false}) {
        Line line({});
        line.stream.write(rising(8));
        orderly ? line.stream.finish() : line.stream.lose();
        CHECK(line.stream.write(rising(8)) == 8);  // as with TCP, what is written now gets lost
        while (line.time.step()) {
        }
        CHECK(line.take() == rising(orderly ? 8 : 0));
        CHECK(line.stream.at_end());
    }
}

TEST_CASE("faults of a stream: a changed byte, a cut, a hold") {
    Line line({.latency_seconds = 1, .seconds_per_byte = 0});
    line.stream.write(rising(4));
    line.stream.change_byte(6, std::byte{0xff});
    line.stream.write(rising(4));
    line.stream.hold(std::chrono::seconds(10));
    while (line.time.step()) {
    }
    CHECK(line.time.seconds_since_start() == 10);
    auto expected = rising(4);
    for (const std::byte each : rising(4)) expected.push_back(each);
    expected[6] ^= std::byte{0xff};
    CHECK(line.take() == expected);

    Line twin({});
    line.stream.cut(10, twin.stream);
    line.stream.write(rising(2));
    while (line.time.step()) {
    }
    CHECK(line.take() == rising(2));
    line.stream.write(rising(2));
    while (line.time.step()) {
    }
    while (twin.time.step()) {
    }
    CHECK(line.stream.at_end());
    CHECK(twin.stream.at_end());
}

TEST_CASE("two simulated ranks exchange bytes; a wait that would block is refused") {
    SimulatedCluster cluster({.ranks = 2});
    const auto out = rising(1000);
    std::vector<std::byte> in(1000);
    const OperationTag tag{.sequence = 1, .count = 1000};
    const auto receive = cluster.transport(1).post_receive(0, tag, in);
    CHECK_FALSE(cluster.transport(1).ready(*receive));
    CHECK_THROWS_AS(cluster.transport(1).wait(*receive), UsageError);
    const auto send = cluster.transport(0).post_send(1, tag, out);
    while (!cluster.transport(1).ready(*receive)) REQUIRE(cluster.time().step());
    cluster.transport(1).wait(*receive);
    cluster.transport(0).wait(*send);
    CHECK(in == out);
    CHECK(cluster.time().seconds_since_start() < 1e-3);
    CHECK_THROWS_AS(cluster.transport(0).post_send(0, tag, out), UsageError);
    CHECK_THROWS_AS(cluster.transport(0).post_send(2, tag, out), UsageError);
}

TEST_CASE("messages are found in a stream that comes byte by byte, and none after damage") {
    std::vector<std::byte> stream;
    append(stream, {MessageType::go, {}});
    append(stream, {MessageType::info, rising(300)});
    const auto read_all = [](const std::vector<std::byte>& bytes, MessageReader& reader) {
        std::vector<Message> messages;
        for (const std::byte byte : bytes) {
            reader.room(1)[0] = byte;
            reader.filled(1);
            while (auto message = reader.next()) messages.push_back(std::move(*message));
        }
        return messages;
    };
    MessageReader reader;
    const auto messages = read_all(stream, reader);
    REQUIRE(messages.size() == 2);
    CHECK(messages[0].type == MessageType::go);
    CHECK(messages[1].body == rising(300));
    CHECK(reader.damage() == "");
    for (std::size_t at = 0; at < stream.size(); ++at) {
        auto damaged = stream;
        damaged[at] ^= std::byte{0x40};
        MessageReader other;
        const auto found = read_all(damaged, other);
        CAPTURE(at);
        REQUIRE(found.size() == (at < 9 ? 0 : 1));
        // A length that says more than there is waits for it; everything else is noticed.
        const bool length = at < 3 || (at >= 9 && at < 12);
        if (!length) REQUIRE(other.damage() != "");
    }
}
