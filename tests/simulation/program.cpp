// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <cstring>
#include <deque>
#include <map>

#include "comm/partials.hpp"
#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/core/error.hpp"

namespace simulation {
namespace {

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
}

template <class T>
std::vector<std::vector<std::byte>> shards_of(int shards, std::size_t count) {
    std::vector<std::vector<std::byte>> all;
    for (const auto& shard : make_shards<T>(shards, count)) all.push_back(bytes_of(shard));
    return all;
}

// Whole numbers that are so small that no narrow type rounds their sums.
std::vector<std::vector<std::byte>> whole_shards(int shards, std::size_t count) {
    std::vector<std::vector<std::byte>> all;
    for (int s = 0; s < shards; ++s) {
        const RandomStream stream(98, RandomPurpose::filler, static_cast<std::uint32_t>(s), 0);
        std::vector<float> one(count);
        for (std::size_t i = 0; i < count; ++i) one[i] = static_cast<float>(stream.bits(i) % 7);
        all.push_back(bytes_of(one));
    }
    return all;
}

// The canonical sum of some shards.
std::vector<std::byte> add_up(std::vector<std::vector<std::byte>> shards, DType dtype) {
    for (std::size_t stride = 1; stride < shards.size(); stride *= 2)
        for (std::size_t left = 0; left + stride < shards.size(); left += 2 * stride)
            add_elements(dtype, shards[left].data(), shards[left + stride].data(),
                         shards[left].size() / size_of(dtype));
    return shards.front();
}

// Runs the plan's steps one after the other on whole parts, without executor, chunks or transport. Each rank goes on
// until it wants a message that is not there yet.
std::vector<std::byte> follow(const Plan& plan, const Request& request,
                              std::vector<std::vector<std::vector<std::byte>>> slots) {
    const std::size_t element = size_of(request.dtype);
    std::map<std::pair<Rank, Rank>, std::deque<std::vector<std::byte>>> messages;
    std::vector<std::size_t> next(slots.size(), 0);
    for (std::size_t rank = 0; rank < slots.size(); ++rank)
        slots[rank].resize(slots[rank].size() + static_cast<std::size_t>(plan.scratch_slots(static_cast<Rank>(rank))),
                           std::vector<std::byte>(request.count * element));
    for (bool moved = true; moved;) {
        moved = false;
        for (Rank rank = 0; rank < plan.ranks; ++rank) {
            auto& own = slots[static_cast<std::size_t>(rank)];
            const auto& steps = plan.steps[static_cast<std::size_t>(rank)];
            for (std::size_t& s = next[static_cast<std::size_t>(rank)]; s < steps.size(); ++s, moved = true) {
                const Step& step = steps[s];
                const std::size_t begin = step.begin(request.count) * element, end = step.end(request.count) * element;
                std::byte* slot = own[static_cast<std::size_t>(step.slot)].data();
                if (step.kind == Step::Kind::send) {
                    messages[{rank, step.peer}].emplace_back(slot + begin, slot + end);
                    continue;
                }
                if (step.kind == Step::Kind::clear) {
                    std::fill(slot + begin, slot + end, std::byte{0});
                    continue;
                }
                const std::byte* incoming = nullptr;
                if (step.kind == Step::Kind::add) {
                    incoming = own[static_cast<std::size_t>(step.other)].data() + begin;
                } else {
                    auto& queue = messages[{step.peer, rank}];
                    if (queue.empty()) break;
                    incoming = queue.front().data();
                }
                if (step.kind == Step::Kind::receive)
                    std::copy(incoming, incoming + (end - begin), slot + begin);
                else
                    add_elements(request.dtype, slot + begin, incoming, (end - begin) / element);
                if (step.kind != Step::Kind::add) messages[{step.peer, rank}].pop_front();
            }
        }
    }
    return slots[0][0];
}

}  // namespace

Sums::Sums(const Scenario& scenario) {
    for (const Request& request : scenario.requests) {
        shards_.push_back(request.types().narrowed()        ? whole_shards(scenario.shards, request.count)
                          : request.dtype == DType::float32 ? shards_of<float>(scenario.shards, request.count)
                                                            : shards_of<double>(scenario.shards, request.count));
    }
    std::vector<std::vector<std::vector<std::vector<std::byte>>>> all;  // [rank][request][slot]
    if (!scenario.plan.canonical)
        for (Rank rank = 0; rank < scenario.ranks(); ++rank) all.push_back(slots(scenario, rank));
    for (std::size_t i = 0; i < scenario.requests.size(); ++i) {
        if (scenario.plan.canonical) {
            expected.push_back(add_up(shards_[i], scenario.requests[i].dtype));
            continue;
        }
        std::vector<std::vector<std::vector<std::byte>>> inputs;
        for (const auto& of_rank : all) inputs.push_back(of_rank[i]);
        expected.push_back(follow(scenario.plan, scenario.requests[i], std::move(inputs)));
    }
}

std::vector<std::vector<std::vector<std::byte>>> Sums::slots(const Scenario& scenario, Rank rank) const {
    std::vector<std::vector<std::vector<std::byte>>> all;
    for (std::size_t i = 0; i < scenario.requests.size(); ++i) {
        const auto& shards = shards_[i];
        std::vector<std::vector<std::byte>> own;
        for (const ShardNode& node :
             maximal_nodes(shard_block(rank, scenario.ranks(), scenario.shards), scenario.shards)) {
            own.push_back(add_up({shards.begin() + node.begin(), shards.begin() + node.end(scenario.shards)},
                                 scenario.requests[i].dtype));
        }
        if (own.empty()) own.emplace_back(shards[0].size(), std::byte{0x77});
        all.push_back(std::move(own));
    }
    return all;
}

Program::Program(const Scenario& scenario, const Sums& sums, VirtualTime& time, SimulatedTransport& transport,
                 std::function<void(Rank)> before_advance)
    : scenario_(scenario),
      time_(time),
      transport_(transport),
      engine_(transport, scenario.executor),
      before_advance_(std::move(before_advance)),
      requests_(scenario.requests),
      slots_(sums.slots(scenario, transport.rank())),
      expected_(sums.expected),
      requests_left_(requests_.size()) {
    transport_.on_change([this] { go_on(); });
}

bool Program::change_next(const std::function<void(Request&)>& change) {
    const std::size_t next = next_ + (under_way_ ? 1 : 0);
    if (next >= requests_left_) return false;
    Request& request = requests_[next];
    change(request);
    for (auto& slot : slots_[next]) slot.resize(request.count * size_of(request.dtype));
    return true;
}

void Program::pause(double seconds) {
    if (seconds == 0) return;
    busy_until_ = time_.now() + firecaffe::comm::seconds(seconds);
    time_.at(busy_until_, *this, kGoOn);
}

void Program::wake(int what) {
    what == kGone ? transport_.end(true) : go_on();
}

void Program::go_on() {
    while (run()) {
    }
}

// One thing after the other; false when there is something to wait for.
bool Program::run() {
    if (settled() || !transport_.runs() || time_.now() < busy_until_) return false;
    if (state_ == State::closing) {
        if (transport_.closed()) end(State::finished);
        return false;
    }
    if (awaited_ != nullptr && !transport_.ready(*awaited_)) return false;
    try {
        if (awaited_ != nullptr) transport_.wait(*std::exchange(awaited_, nullptr));
        before_advance_(transport_.rank());
        hung_ = hangs_next_;
        if (hung_ || !transport_.runs() || time_.now() < busy_until_) return false;
        if (!under_way_) begin();
        if (!under_way_) return true;
        const Progress progress = engine_.advance();
        awaited_ = progress.awaited;
        if (progress.added_bytes > 0) pause(scenario_.seconds_per_addition[at()]);
        if (!progress.done()) return true;
        under_way_ = false;
        check_sum();
        ++next_;
        pause(scenario_.seconds_between[at()]);
    } catch (const std::exception& error) {
        error_ = error.what();
        engine_.abandon(error.what());
        end(State::failed);
    }
    return true;
}

void Program::begin() {
    if (next_ >= requests_left_) {
        state_ = State::closing;
        closing_since_ = time_.now();
        return transport_.close();
    }
    const Request& request = requests_[next_];
    pointers_.clear();
    for (auto& slot : slots_[next_]) pointers_.push_back(slot.data());
    engine_.start(scenario_.plan, pointers_, request.count, request.types(), request.tag);
    under_way_ = true;
}

void Program::check_sum() {
    if (slots_[next_][0] != expected_[next_]) wrong_ += text("request ", next_, " has a wrong sum; ");
}

// A process lingers for its last words.
void Program::end(State state) {
    state_ = state;
    ended_ = time_.now();
    time_.after(firecaffe::comm::seconds(0.3), *this, kGone);
}

}  // namespace simulation
