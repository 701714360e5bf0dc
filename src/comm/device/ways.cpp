// SPDX-License-Identifier: Apache-2.0
#include "comm/device/ways.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>

#include "firecaffe/comm/collective/all_gather.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

constexpr std::size_t kReasonBytes = 320;

/// What a rank shows, or why it shows nothing.
struct Card {
    MemoryHandle handle{};
    std::uint64_t number = 0;  // what lies there
    char reason[kReasonBytes] = {};
};

/// Whom a rank can read, as a byte per rank behind this, and why not.
struct Verdict {
    char reason[kReasonBytes] = {};
};

template <class Text>
void put(const std::string& words, Text& reason) {
    const std::size_t length = std::min(words.size(), sizeof reason - 1);
    std::memcpy(reason, words.data(), length);
    reason[length] = '\0';
}

/// Ends in zero whatever has come.
template <class Text>
std::string get(const Text& reason) {
    return std::string(reason, ::strnlen(reason, sizeof reason));
}

/// One part of `bytes` bytes per rank, of which each brings its own.
void gather(Transport& transport, std::vector<std::byte>& all, OperationTag tag) {
    const int ranks = transport.size();
    const Plan plan = plan_all_gather(ranks, ranks);
    std::byte* const data = all.data();
    Executor(transport, {.chunk_bytes = kWholeRequest})
        .run(plan, {&data, 1}, all.size() / sizeof(float), DType::float32, tag);
}

std::size_t whole_floats(std::size_t bytes) {
    return (bytes + sizeof(float) - 1) / sizeof(float) * sizeof(float);
}

std::uint64_t draw() {
    std::random_device random;
    return (std::uint64_t{random()} << 32) | random();
}

/// Shows a number to the others, for as long as it lives.
class Sample {
  public:
    Sample(DeviceMemory& device, const Memory<Cpu>& host, std::string_view refusal) : card_{.number = draw()} {
        if (!refusal.empty()) {
            put(std::string(refusal), card_.reason);
            return;
        }
        try {
            memory_ = device.make(sizeof card_.number);
            std::memcpy(host.data(), &card_.number, sizeof card_.number);
            device.copy_in(memory_.data(), host.data(), sizeof card_.number);
            device.complete();
            card_.handle = device.show(memory_);
        } catch (const DeviceError& error) {
            put(error.what(), card_.reason);
        }
    }
    const Card& card() const { return card_; }

  private:
    Memory<Cuda> memory_;
    Card card_;
};

/// Why this rank does not read what the card shows; empty: it does.
std::string try_to_read(DeviceMemory& device, const Memory<Cpu>& host, const Card& card) {
    try {
        const Buffer peer = device.open(card.handle);
        device.copy_out(host.data(), peer.data, sizeof card.number);
        device.complete();
        if (std::memcmp(host.data(), &card.number, sizeof card.number) == 0) return "";
        return "what it shows is mapped, but holds something else";
    } catch (const DeviceError& error) {
        return error.what();
    }
}

}  // namespace

Ways agree_on_ways(Transport& transport, DeviceMemory& device, std::string_view refusal, const OperationTag& tag) {
    const int ranks = transport.size();
    const auto size = static_cast<std::size_t>(ranks), self = static_cast<std::size_t>(transport.rank());
    const std::string host = transport.peer(transport.rank()).host;
    const Memory<Cpu> host_buffer = device.host_buffer(sizeof(Card::number));
    const Sample sample(device, host_buffer, refusal);

    const std::size_t card_bytes = whole_floats(sizeof(Card));
    std::vector<std::byte> cards(size * card_bytes);
    std::memcpy(&cards[self * card_bytes], &sample.card(), sizeof(Card));
    gather(transport, cards, tag);

    const std::size_t verdict_bytes = whole_floats(sizeof(Verdict) + size);
    std::vector<std::byte> verdicts(size * verdict_bytes);
    const auto reads = [&](std::size_t rank, std::size_t other) -> std::byte& {
        return verdicts[rank * verdict_bytes + sizeof(Verdict) + other];
    };
    Verdict own;
    Ways ways;
    for (std::size_t other = 0; other < size; ++other) {
        const PeerInfo peer = transport.peer(static_cast<Rank>(other));
        ways.other_hosts = ways.other_hosts || peer.host != host;
        if (other == self || peer.host != host) continue;
        Card card;
        std::memcpy(&card, &cards[other * card_bytes], sizeof card);
        std::string why = get(sample.card().reason);
        if (why.empty() && !get(card.reason).empty()) continue;  // it says so itself
        if (why.empty()) why = try_to_read(device, host_buffer, card);
        if (why.empty()) {
            reads(self, other) = std::byte{1};
        } else if (get(own.reason).empty()) {
            put(text("rank ", transport.rank(), " on ", host, " does not read the memory of rank ", other, ": ", why),
                own.reason);
        }
    }
    std::memcpy(&verdicts[self * verdict_bytes], &own, sizeof own);
    gather(transport, verdicts, tag);  // and after this nobody reads the sample any more

    for (std::size_t other = 0; other < size; ++other) {
        Verdict verdict;
        std::memcpy(&verdict, &verdicts[other * verdict_bytes], sizeof verdict);
        if (ways.refusal.empty()) ways.refusal = get(verdict.reason);
        const bool lent = other == self || (reads(self, other) == std::byte{1} && reads(other, self) == std::byte{1});
        ways.to.push_back(lent ? Way::lent : Way::staged);
        if (lent && other != self) ++ways.lenders;
    }
    return ways;
}

}  // namespace firecaffe::comm
