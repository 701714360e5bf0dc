// SPDX-License-Identifier: Apache-2.0
// The door of a job: workers and strangers come to one doorkeeper, in virtual time, over connections that deliver bytes
// in pieces. Who may come in does, and nobody else, whatever order and moments a seed chooses.
#include "catch.hpp"

#include <algorithm>
#include <memory>
#include <optional>

#include "comm/rendezvous/doorkeeper.hpp"
#include "comm/simulation/stream.hpp"
#include "firecaffe/core/text.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

enum class Kind {
    worker,
    worker_of_other_job,
    worker_for_other_rank,
    worker_not_expected,  ///< of a rank that is here already
    wrong_token,
    noise,  ///< random bytes, enough for a proof
    silence,
    half,  ///< half a proof, and then nothing
    hangs_up,
    replay,  ///< the proof of a worker that came in, once more
    mirror,  ///< gives back what it gets
    forger,  ///< its own proof with another rank in it
};
constexpr int kKinds = 12;
constexpr Rank kSelf = 3, kTaken = 7;

const Digest kKey = authentication_key(std::vector<std::byte>(32, std::byte{5}));
const Digest kOtherKey = authentication_key(std::vector<std::byte>(32, std::byte{6}));
const JobId kJob = job_id("job"), kOtherJob = job_id("another");

// One connection, both of its ends.
struct Visitor {
    Kind kind = Kind::silence;
    int number = 0;
    Doorkeeper::Id id = 0;
    std::unique_ptr<Stream> to_host, from_host;
    std::optional<ClientHandshake> handshake;
    std::vector<std::byte> heard;  // by the visitor
    std::vector<std::byte> proof;
    bool proved = false, in_vain = false, believes = false;  // the visitor's view
    bool admitted = false, guest = false, gone = false;      // the host's
    Time admitted_at{}, gone_at{};
};

class Door final : private Actor {
  public:
    explicit Door(std::uint64_t seed) : dice_(seed), keeper_(kKey, kJob, kSelf) {
        const int visitors = dice_.between(1, 12);
        for (int i = 0; i < visitors; ++i) invite(i);
        time_.at(Time{}, *this, kLook);
    }

    std::string run() {
        while (time_.seconds_since_start() < 8 && time_.step()) {
        }
        for (Visitor& visitor : visitors_) judge(visitor);
        if (!keeper_.empty()) complaint_ += "connections are left over; ";
        return complaint_;
    }

    int workers = 0, others = 0;

  private:
    static constexpr int kLook = 0, kArrive = 1000, kHost = 2000, kVisitor = 3000, kRoom = 4000;

    void invite(int number) {
        Visitor visitor;
        visitor.number = number;
        visitor.kind = dice_.chance(0.4) ? Kind::worker : static_cast<Kind>(dice_.below(kKinds));
        StreamOptions link;
        link.latency_seconds = dice_.spread(1e-5, 0.1);
        link.jitter_seconds = link.latency_seconds * dice_.uniform(0, 4);
        link.window = static_cast<std::size_t>(dice_.spread(1, 300));
        visitor.to_host = std::make_unique<Stream>(time_, dice_, link, StreamEnd{this, kRoom + number},
                                                   StreamEnd{this, kHost + number});
        link.window = 1000;
        visitor.from_host =
            std::make_unique<Stream>(time_, dice_, link, StreamEnd{this, kLook}, StreamEnd{this, kVisitor + number});
        time_.at(Time{} + seconds(dice_.uniform(0, 3)), *this, kArrive + number);
        visitors_.push_back(std::move(visitor));
    }

    void wake(int what) override {
        if (what >= kRoom) return write(visitor(what - kRoom));
        if (what >= kVisitor) return hear_host(visitor(what - kVisitor));
        if (what >= kHost) return hear_visitor(visitor(what - kHost));
        if (what >= kArrive) return arrive(visitor(what - kArrive));
        for (const Doorkeeper::Id id : keeper_.drop_late(time_.now())) close(visitor(arrived_[id]));
        if (time_.seconds_since_start() < 7) time_.after(seconds(0.25), *this, kLook);
    }
    Visitor& visitor(int number) { return visitors_[static_cast<std::size_t>(number)]; }

    void arrive(Visitor& visitor) {
        visitor.id = arrived_.size();
        arrived_.push_back(visitor.number);
        Nonce nonce;
        for (std::byte& byte : nonce) byte = static_cast<std::byte>(dice_.below(256));
        visitor.admitted = true;
        visitor.admitted_at = time_.now();
        visitor.from_host->write(keeper_.admit(visitor.id, nonce, time_.now()));
        if (visitor.kind == Kind::noise) {
            for (std::size_t i = 0; i < kProofBytes; ++i)
                visitor.proof.push_back(static_cast<std::byte>(dice_.below(256)));
            write(visitor);
        }
        if (visitor.kind == Kind::hangs_up) visitor.to_host->finish();
    }
    void hear_host(Visitor& visitor) {
        std::vector<std::byte> bytes(visitor.from_host->readable());
        visitor.from_host->read(bytes);
        visitor.heard.insert(visitor.heard.end(), bytes.begin(), bytes.end());
        if (!visitor.proved && visitor.heard.size() >= kNonceBytes) {
            visitor.proved = true;
            prove(visitor);
            write(visitor);
        }
        const auto answer = std::span(visitor.heard).subspan(std::min(visitor.heard.size(), kNonceBytes));
        if (visitor.handshake && answer.size() >= kAnswerBytes)
            visitor.believes = visitor.handshake->verify(answer.first(kAnswerBytes)) == Answer::welcome;
    }

    void prove(Visitor& visitor) {
        const auto challenge = std::span<const std::byte>(visitor.heard).first<kNonceBytes>();
        Hello hello;
        hello.rank = visitor.kind == Kind::worker_not_expected ? kTaken : 1;
        hello.target = visitor.kind == Kind::worker_for_other_rank ? kSelf + 1 : kSelf;
        hello.job = visitor.kind == Kind::worker_of_other_job ? kOtherJob : kJob;
        visitor.handshake.emplace(visitor.kind == Kind::wrong_token ? kOtherKey : kKey, hello);
        const auto proof = visitor.handshake->prove(challenge);
        visitor.proof.assign(proof.begin(), proof.end());
        switch (visitor.kind) {
            case Kind::noise:
            case Kind::silence:
            case Kind::hangs_up:
                visitor.proof.clear();
                break;
            case Kind::half:
                visitor.proof.resize(kProofBytes / 2);
                break;
            case Kind::replay:
                visitor.proof = recorded_;
                break;
            case Kind::mirror:
                visitor.proof.assign(challenge.begin(), challenge.end());
                visitor.proof.resize(kProofBytes, challenge[0]);
                break;
            case Kind::forger:
                visitor.proof[12] ^= std::byte{2};
                break;
            case Kind::worker:
                recorded_ = visitor.proof;
                break;
            default:
                break;
        }
    }

    void write(Visitor& visitor) {
        // A piece at a time, so that a proof is cut anywhere; what the stream has no room for now is told of by kRoom.
        const auto piece = std::min(visitor.proof.size(), static_cast<std::size_t>(dice_.between(1, 200)));
        const std::size_t count = visitor.to_host->write(std::span(visitor.proof).first(piece));
        visitor.proof.erase(visitor.proof.begin(), visitor.proof.begin() + static_cast<std::ptrdiff_t>(count));
        if (visitor.proof.empty() || count < piece) return;
        time_.after(seconds(dice_.uniform(0, 0.01)), *this, kRoom + visitor.number);
    }

    void hear_visitor(Visitor& visitor) {
        while (!visitor.gone && visitor.to_host->readable() > 0) {
            const auto room = keeper_.room(visitor.id);
            const std::size_t count = visitor.to_host->read(room);
            const auto word = keeper_.hear(visitor.id, count, [](const Hello& hello) { return hello.rank != kTaken; });
            if (!word.reply.empty()) visitor.from_host->write(word.reply);
            if (!word.last) continue;
            visitor.guest = word.guest.has_value();
            close(visitor);
        }
        if (!visitor.gone && visitor.to_host->at_end()) {
            keeper_.left(visitor.id);
            close(visitor);
        }
    }

    void close(Visitor& visitor) {
        visitor.gone = true;
        visitor.gone_at = time_.now();
        visitor.from_host->finish();
    }

    void judge(const Visitor& visitor) {
        const auto complain = [&](const char* what) {
            complaint_ +=
                text("visitor ", visitor.number, " of kind ", static_cast<int>(visitor.kind), " ", what, "; ");
        };
        const double stayed = std::chrono::duration<double>(visitor.gone_at - visitor.admitted_at).count();
        if (!visitor.gone) complain("stays for ever");
        if (stayed > Doorkeeper::kProofSeconds + 0.25) complain("stayed too long");
        if (visitor.believes && !visitor.guest) complain("believes that it is welcome");
        // A worker on a slow line is too late: it is a guest only if it was in time.
        if (visitor.kind == Kind::worker) {
            ++workers;
            if (visitor.guest && !visitor.believes) complain("was not told that it is welcome");
            if (!visitor.guest && stayed < Doorkeeper::kProofSeconds) complain("was refused");
        } else {
            ++others;
            if (visitor.guest) complain("came in");
        }
    }

    VirtualTime time_;
    Dice dice_;
    Doorkeeper keeper_;
    std::vector<Visitor> visitors_;
    std::vector<int> arrived_;  // [id]: the visitor's number
    std::vector<std::byte> recorded_ = std::vector<std::byte>(kProofBytes);
    std::string complaint_;
};

}  // namespace

TEST_CASE("the door: workers come in, strangers do not, and nobody stays") {
    int workers = 0, others = 0;
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        CAPTURE(seed);
        Door door(seed);
        REQUIRE(door.run() == "");
        workers += door.workers;
        others += door.others;
    }
    CHECK(workers > 2000);
    CHECK(others > 2000);
}

TEST_CASE("a full house drops who has waited longest") {
    Doorkeeper keeper(kKey, kJob, kSelf);
    for (Doorkeeper::Id id = 1; id <= Doorkeeper::kLargest; ++id) keeper.admit(id, Time{});
    CHECK(keeper.full());
    CHECK(keeper.drop_oldest() == 1);
    CHECK_FALSE(keeper.full());
    CHECK(keeper.room(1).empty());
    CHECK(keeper.drop_late(Time{} + std::chrono::seconds(1)).empty());
    CHECK(keeper.drop_late(Time{} + std::chrono::seconds(2)).size() == Doorkeeper::kLargest - 1);
    CHECK(keeper.strangers() == Doorkeeper::kLargest);
}
