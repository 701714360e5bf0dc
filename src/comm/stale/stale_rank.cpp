// SPDX-License-Identifier: Apache-2.0
#include "comm/stale/stale_rank.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

constexpr std::size_t kGrain = 16;  // elements: shards begin at cache lines

StaleTerms checked(StaleTerms terms, const Transport& transport) {
    if (terms.staleness < kUnbounded)
        throw UsageError("a staleness of ", terms.staleness, " steps cannot be; give 0 or more, or ", kUnbounded,
                         " for none");
    if (terms.servers < 1 || terms.servers > transport.size())
        throw UsageError("a stale server of ", terms.servers, " servers among ", transport.size(),
                         " ranks; give between 1 and as many as there are ranks");
    if (terms.workers.empty()) throw UsageError("a stale server without workers has nothing to do; name some");
    for (const Rank worker : terms.workers)
        if (worker < 0 || worker >= transport.size())
            throw UsageError("rank ", worker, " is to work for a stale server of ", transport.size(), " ranks");
    if (terms.shares.size() != terms.workers.size())
        throw UsageError("a stale server of ", terms.workers.size(), " workers with ", terms.shares.size(),
                         " shares of the loss; give one for each");
    return terms;
}

}  // namespace

StaleRank::StaleRank(Transport& transport, StaleTerms terms, std::span<std::byte> values, std::int64_t updates)
    : transport_(transport),
      terms_(checked(std::move(terms), transport)),
      self_(transport.rank()),
      depth_(terms_.staleness == 0 ? 0 : 1),
      budget_(updates),
      values_(values),
      clients_(static_cast<std::size_t>(transport.size())),
      clocks_(transport.size(), terms_.workers),
      answers_(static_cast<std::size_t>(terms_.servers)),
      mailbox_(transport, *this) {
    if (values.size() != terms_.count * size_of(terms_.dtype) || updates < 1)
        throw UsageError("a stretch of ", updates, " updates of ", terms_.count, " values in ", values.size(),
                         " bytes cannot be");
    if (serves(self_)) {
        const auto mine = bytes_of(values_, self_);
        shard_ = transport.allocate(mine.size());
        std::ranges::copy(mine, shard_.data());
        for (const Rank worker : terms_.workers) {
            if (worker == self_) continue;
            Client& client = clients_[static_cast<std::size_t>(worker)];
            client.update = transport.allocate(mine.size());
            client.answer = transport.allocate(mine.size());
        }
    }
    const auto workers = static_cast<std::int64_t>(terms_.workers.size());
    const auto me = std::ranges::find(terms_.workers, self_) - terms_.workers.begin();
    for (std::int64_t step = 0; step <= depth_; ++step) {
        const std::int64_t number = step * workers + me;
        turns_.push_back(number < budget_ ? number : -1);
        if (me < workers && number < budget_) count_lag(workers > 1 ? step : 0);  // nobody's update is in the values
    }
    granted_ = std::min((depth_ + 1) * workers, budget_);
}

StaleRank::~StaleRank() = default;

StaleRank::Span StaleRank::shard(Rank server) const {
    if (!serves(server)) return {};
    const auto servers = static_cast<std::size_t>(terms_.servers);
    const std::size_t each = ((terms_.count + servers - 1) / servers + kGrain - 1) / kGrain * kGrain;
    const std::size_t first = std::min(terms_.count, each * static_cast<std::size_t>(server));
    return {first, std::min(terms_.count - first, each)};
}

std::span<std::byte> StaleRank::bytes_of(std::span<std::byte> all, Rank server) const {
    const Span of = shard(server);
    const std::size_t size = size_of(terms_.dtype);
    return all.subspan(of.first * size, of.count * size);
}

void StaleRank::open() {
    mailbox_.open();
}

void StaleRank::push(std::span<const std::byte> update, Note note) {
    const MailHeader header{.kind = kPush, .flag = note.stop ? 1u : 0u, .clock = pushes_, .value = note.loss};
    ++pushes_;
    const std::size_t size = size_of(terms_.dtype);
    for (Rank server = 0; server < terms_.servers; ++server) {
        const auto part = update.subspan(shard(server).first * size, shard(server).count * size);
        if (server != self_) {
            mailbox_.send(server, header, part);
        } else {
            take_update(self_, header, part.data());
        }
    }
}

void StaleRank::leave() {
    for (Rank to = 0; to < transport_.size(); ++to)
        if (to != self_) mailbox_.send(to, {.kind = kLeave}, {});
    take_leave(self_);
}

void StaleRank::completed(std::size_t place) {
    mailbox_.completed(place);
    answer_all();
}

bool StaleRank::answered(std::int64_t push) const {
    for (Rank server = 0; server < terms_.servers; ++server)
        if (answers_[static_cast<std::size_t>(server)] <= push || !mailbox_.all_sent(server)) return false;
    return true;
}

std::optional<std::int64_t> StaleRank::turn(std::int64_t step) const {
    const auto at = static_cast<std::size_t>(step);
    if (at >= turns_.size() || turns_[at] < 0) return std::nullopt;
    return turns_[at];
}

bool StaleRank::is_done() const {
    return last_sent_ && mailbox_.is_done();
}

double StaleRank::loss() const {
    if (self_ != 0) return last_loss_;
    double sum = 0, shares = 0;
    for (std::size_t i = 0; i < terms_.workers.size(); ++i) {
        const auto& loss = clients_[static_cast<std::size_t>(terms_.workers[i])].loss;
        if (!loss) continue;
        sum += terms_.shares[i] * *loss;
        shares += terms_.shares[i];
    }
    return shares > 0 ? sum / shares : 0;
}

// Whose update a server lacks, before it may add (without staleness) or answer those that it has; -1: nobody's.
Rank StaleRank::missing_update() const {
    if (terms_.staleness != 0) return clocks_.slowest_but(self_);
    for (const Rank worker : terms_.workers)
        if (worker != self_ && clocks_.works(worker) && !waits(worker)) return worker;
    return -1;
}

Rank StaleRank::awaited() const {
    const bool works = clocks_.works(self_);
    const Client& own = clients_[static_cast<std::size_t>(self_)];
    if (!works || own.waits || own.reads)
        if (const Rank missing = missing_update(); missing >= 0) return missing;
    for (Rank server = 0; works && server < terms_.servers; ++server)
        if (server != self_ && answers_[static_cast<std::size_t>(server)] < pushes_) return server;
    for (Rank rank = 0; rank < transport_.size(); ++rank)
        if (!mailbox_.all_sent(rank) || (last_sent_ && !mailbox_.has_ended(rank))) return rank;
    return -1;
}

std::span<std::byte> StaleRank::room(Rank from, const MailHeader& header) {
    if (header.kind == kPush) {
        Client& client = clients_[static_cast<std::size_t>(from)];
        if (client.update.bytes() != header.bytes || client.waits || client.reads) refuse(from, header);
        return {client.update.data(), client.update.bytes()};
    }
    const bool values = header.kind == kValues || header.kind == kLast;
    const auto place = values ? bytes_of(values_, from) : std::span<std::byte>();
    if (place.size() != header.bytes) refuse(from, header);
    return place;
}

bool StaleRank::read(Rank from, const MailHeader& header) {
    const bool from_worker = header.kind == kPush || header.kind == kLeave;
    const bool untimely = from_worker ? !clocks_.works(from) : header.kind == kLast && clocks_.works(from);
    if (untimely) refuse(from, header);
    switch (header.kind) {
        case kPush:
            if (!serves(self_) || header.clock != clocks_.of(from)) refuse(from, header);
            take_update(from, header, clients_[static_cast<std::size_t>(from)].update.data());
            return true;
        case kLeave:
            take_leave(from);
            return true;
        case kValues:
            if (!serves(from) || answers_[static_cast<std::size_t>(from)] >= pushes_) refuse(from, header);
            take_values(from, header);
            return true;
        case kLast:
            return take_last(from, header);
        default:
            refuse(from, header);
    }
}

void StaleRank::refuse(Rank from, const MailHeader& header) const {
    throw PeerLostError(transport_.peer(from), " sent a message of kind ", header.kind, " with ", header.bytes,
                        " bytes and clock ", header.clock, " to the stale server at ", transport_.peer(self_),
                        ", which cannot be meant; run the same program with the same config on all ranks");
}

void StaleRank::take_update(Rank worker, const MailHeader& header, const std::byte* bytes) {
    Client& client = clients_[static_cast<std::size_t>(worker)];
    client.bytes = bytes;
    client.waits = true;
    client.loss = header.value;
    stopped_ = stopped_ || header.flag != 0;
    add_all();
    answer_all();
}

void StaleRank::take_leave(Rank worker) {
    clocks_.leave(worker);
    clients_[static_cast<std::size_t>(worker)].reads = false;
    add_all();
    answer_all();
}

// Without staleness once the updates of all who still work are there.
void StaleRank::add_all() {
    const auto is_missing = [&](Rank worker) { return clocks_.works(worker) && !waits(worker); };
    if (terms_.staleness == 0 && std::ranges::any_of(terms_.workers, is_missing)) return;
    for (const Rank worker : terms_.workers)
        if (waits(worker)) add(worker);
}

void StaleRank::add(Rank worker) {
    Client& client = clients_[static_cast<std::size_t>(worker)];
    add_elements(terms_.dtype, shard_.data(), client.bytes, shard(self_).count);
    client.waits = false;
    client.reads = true;
    clocks_.tick(worker);
    if (self_ == 0) ++updates_;
}

bool StaleRank::may_read(Rank worker) const {
    if (terms_.staleness == kUnbounded) return true;
    return clocks_.least() >= clocks_.of(worker) + depth_ - terms_.staleness;
}

// An answer waits until the one before it has gone, so that each client needs one buffer.
void StaleRank::answer_all() {
    for (const Rank worker : terms_.workers) {
        const Client& client = clients_[static_cast<std::size_t>(worker)];
        if (client.reads && may_read(worker) && (worker == self_ || mailbox_.all_sent(worker))) answer(worker);
    }
    if (clocks_.anybody_works() || last_sent_) return;
    last_sent_ = true;
    if (serves(self_)) std::copy_n(shard_.data(), shard_.bytes(), bytes_of(values_, self_).data());
    for (Rank to = 0; to < transport_.size(); ++to)
        if (to != self_)
            mailbox_.send(to, {.kind = kLast, .flag = stopped_ ? 1u : 0u, .number = updates_, .value = loss()},
                          {shard_.data(), shard_.bytes()});
}

void StaleRank::answer(Rank worker) {
    Client& client = clients_[static_cast<std::size_t>(worker)];
    client.reads = false;
    MailHeader header{.kind = kValues, .clock = clocks_.least_but(worker), .number = -1};
    if (self_ == 0 && !stopped_ && granted_ < budget_) header.number = granted_++;
    if (worker == self_) {
        std::copy_n(shard_.data(), shard_.bytes(), bytes_of(values_, self_).data());
        return take_values(self_, header);
    }
    std::copy_n(shard_.data(), shard_.bytes(), client.answer.data());
    mailbox_.send(worker, header, {client.answer.data(), client.answer.bytes()});
}

void StaleRank::take_values(Rank server, const MailHeader& header) {
    const std::int64_t step = ++answers_[static_cast<std::size_t>(server)] + depth_;
    const std::int64_t lag = std::max<std::int64_t>(step - header.clock, 0);
    if (terms_.staleness != kUnbounded && lag > terms_.staleness)
        throw InternalError("rank ", self_, " was to begin step ", step, " while the slowest had made ", header.clock,
                            ", but the staleness is ", terms_.staleness);
    if (server != 0) return;
    if (header.number >= 0) count_lag(lag);
    turns_.push_back(header.number);
}

void StaleRank::count_lag(std::int64_t lag) {
    ++lags_[std::min(static_cast<std::size_t>(lag), kMostLags - 1)];
}

bool StaleRank::take_last(Rank server, const MailHeader& header) {
    if (server != 0) return false;
    updates_ = header.number;
    last_loss_ = header.value;
    stopped_ = header.flag != 0;
    return false;
}

}  // namespace firecaffe::comm
