// SPDX-License-Identifier: Apache-2.0
// The lobby's guests in TLS, step by step: who is slow, silent or wrong after a proof that was right.
#include <poll.h>

#include <list>
#include <optional>

#include "catch.hpp"
#include "ranks.hpp"

#include "comm/rendezvous/dial.hpp"
#include "comm/rendezvous/lobby.hpp"
#include "comm/rendezvous/messages.hpp"

using namespace firecaffe::comm;
using namespace std::chrono_literals;

namespace {

constexpr Rank kSelf = 0;
const JobKeys kKeys = job_keys(test_token());
const JobId kJob = job_id("test");

bool anybody(const Hello&) {
    return true;
}

SocketAddress address_of(const std::string& tcp) {
    return resolve(split_host_port(tcp.substr(std::string("tcp://").size()), tcp)).front();
}

Hello hello_of(Rank rank) {
    return {.role = ConnectionRole::control, .encryption = Encryption::tls, .rank = rank, .target = kSelf, .job = kJob};
}

template <class Turn, class Done>
bool turn_until(const Turn& turn, const Done& done) {
    for (const Time end = Clock::now() + 3s; Clock::now() < end; turn())
        if (done()) return true;
    return false;
}

// A lobby, and whom it lets in.
class House {
  public:
    House() : listener_(listen_tcp("127.0.0.1")) {
        lobby_.emplace(UniqueFd(::dup(listener_.fd)), kKeys, kJob, kSelf, Encryption::tls);
        ::close(listener_.fd);
    }

    SocketAddress address() const { return address_of(listener_.address); }
    void serve() {
        pollfd entry{lobby_->poll_fd(), POLLIN, 0};
        ::poll(&entry, 1, 1);
        lobby_->serve([this](const Hello& hello) { return expected(hello); },
                      [this](Lobby::Guest guest) { guests.push_back(std::move(guest)); });
    }
    void serve_until_one_failed() {
        turn_until([this] { serve(); }, [this] { return failures().tls == 1; });
    }
    Failures failures() const { return lobby_->failures(); }

    Doorkeeper::Expected expected = anybody;
    std::vector<Lobby::Guest> guests;

  private:
    TcpListener listener_;
    std::optional<Lobby> lobby_;
};

// A rank that holds the token and does each step by hand.
class Guest {
  public:
    Guest(House& house, Rank rank)
        : Guest(
              house.address(), [&house] { house.serve(); }, rank) {}
    // `turn`: what is done while it waits.
    Guest(const SocketAddress& address, std::function<void()> turn, Rank rank)
        : turn_(std::move(turn)), handshake_(kKeys.authentication, hello_of(rank)) {
        std::string why;
        fd_ = connect_to(address, Clock::now() + 2s, why);
        Nonce challenge;
        read(challenge);
        const auto proof = handshake_.prove(challenge);
        send(proof);
        std::array<std::byte, kAnswerBytes> answer;
        read(answer);
        REQUIRE(handshake_.verify(answer) == Answer::welcome);
        tls_.emplace(TlsStream::Side::client, connection_key(kKeys.encryption, handshake_.transcript()));
    }

    void send(std::span<const std::byte> bytes) {
        std::string why;
        REQUIRE(write_exactly(fd_.get(), bytes, Clock::now() + 2s, why));
    }
    // Two flights of TLS; the third, with which the server is through, is kept back.
    void begin() {
        tls_->shake_hands();
        send_outgoing();
        REQUIRE(turn_until(turn_, [this] { return hear() && tls_->shake_hands(); }));
    }
    void end() { send_outgoing(); }
    void close() { fd_.reset(); }
    // What the server says at the end; nothing: it closed.
    std::optional<Answer> last_word() {
        std::byte word{};
        bool heard = false;
        turn_until(turn_, [&] {
            hear();
            heard = tls_->read(std::span(&word, 1)) == 1;
            return heard || closed_;
        });
        return heard ? std::optional(static_cast<Answer>(word)) : std::nullopt;
    }

  private:
    template <std::size_t N>
    void read(std::array<std::byte, N>& bytes) {
        std::size_t count = 0;
        REQUIRE(turn_until(turn_, [&] {
            const ssize_t n = ::recv(fd_.get(), bytes.data() + count, N - count, MSG_DONTWAIT);
            if (n > 0) count += static_cast<std::size_t>(n);
            return count == N;
        }));
    }
    void send_outgoing() {
        for (auto part = tls_->outgoing(); !part.empty(); part = tls_->outgoing()) {
            send(part);
            tls_->sent(part.size());
        }
    }
    // True if something came.
    bool hear() {
        const auto room = tls_->room();
        const ssize_t n = ::recv(fd_.get(), room.data(), room.size(), MSG_DONTWAIT);
        closed_ = n == 0 || (n < 0 && !would_block(errno));
        if (n > 0) tls_->filled(static_cast<std::size_t>(n));
        return n > 0;
    }

    std::function<void()> turn_;
    UniqueFd fd_;
    ClientHandshake handshake_;
    std::optional<TlsStream> tls_;
    bool closed_ = false;
};

}  // namespace

TEST_CASE("a guest in TLS comes in when the server is through, and hears so") {
    House house;
    Guest guest(house, 1);
    CHECK(house.guests.empty());
    guest.begin();
    for (int i = 0; i < 20; ++i) house.serve();
    CHECK(house.guests.empty());
    guest.end();
    CHECK(guest.last_word() == Answer::welcome);
    REQUIRE(house.guests.size() == 1);
    CHECK(house.guests[0].hello.rank == 1);
    CHECK(house.guests[0].connection.encryption() == Encryption::tls);
    CHECK(house.failures().tls == 0);
}

TEST_CASE("a guest who is not expected any more when TLS is through does not come in") {
    House house;
    Guest guest(house, 1);
    guest.begin();
    SECTION("since others are expected now") {
        house.expected = [](const Hello& hello) { return hello.role == ConnectionRole::data; };
        guest.end();
        CHECK(guest.last_word() == Answer::unexpected);
        CHECK(house.guests.empty());
    }
    SECTION("since it has come already, in the same turn") {
        Guest again(house, 1);
        again.begin();
        house.expected = [&](const Hello&) { return house.guests.empty(); };
        guest.end();
        again.end();
        const auto first = guest.last_word(), second = again.last_word();
        CHECK(first.has_value());
        CHECK(second.has_value());
        CHECK(first != second);
        CHECK(house.guests.size() == 1);
    }
}

TEST_CASE("a guest who says TLS and does something else is shown out, and counted") {
    House house;
    Guest guest(house, 1);
    SECTION("is silent") {
        CHECK_FALSE(guest.last_word());
    }
    SECTION("says half, and then nothing") {
        guest.begin();
        CHECK_FALSE(guest.last_word());
    }
    SECTION("sends what is no TLS") {
        guest.send(pattern(500, 1));
        CHECK_FALSE(guest.last_word());
    }
    SECTION("closes") {
        guest.close();
        house.serve_until_one_failed();
    }
    CHECK(house.guests.empty());
    CHECK(house.failures().tls == 1);
    CHECK(house.failures().proofs == 0);
}

TEST_CASE("a guest who ends TLS too late knows that it is not in") {
    House house;
    Guest guest(house, 1);
    guest.begin();
    house.serve_until_one_failed();
    guest.end();
    CHECK_FALSE(guest.last_word());
    CHECK(house.guests.empty());
}

TEST_CASE("guests who do not get through TLS are bounded in number: the first go") {
    House house;
    const Time start = Clock::now();
    std::list<Guest> idle;
    for (std::size_t i = 0; i <= Doorkeeper::kLargest; ++i) idle.emplace_back(house, static_cast<Rank>(i));
    const auto failed = house.failures().tls;
    CHECK(failed >= 1);
    // On a machine that is so slow, the time of others is up too.
    if (Clock::now() - start < 1s) CHECK(failed == 1);
    CHECK(house.guests.empty());
    idle.back().begin();
    idle.back().end();
    CHECK(idle.back().last_word() == Answer::welcome);
}

TEST_CASE("rank 0 lets nobody in who comes to the rendezvous and gets through TLS when the table is out") {
    const auto all = job_options(2, {TransportKind::tcp, Encryption::tls});
    Outcome outcome;
    std::jthread rank_0([&] { outcome = outcome_of([&] { join_tcp(all[0]); }); });
    Guest late(
        address_of(all[0].address), [] { std::this_thread::sleep_for(1ms); }, 2);  // there are ranks 0 and 1
    late.begin();

    Dialled dialled = dial(address_of(all[0].address), kKeys, hello_of(1), Clock::now() + 3s);
    REQUIRE(dialled.connection);
    Channel rank_1(std::move(dialled.connection));
    Info info{{1, "here", 11}, 2, 0, "127.0.0.1:1", {}, {}, all[0].build, all[0].config};
    rank_1.send(MessageType::info, write(info));
    std::optional<Message> table;
    turn_until([&] { wait_for(rank_1.fd(), POLLIN, Clock::now() + 10ms); },
               [&] { return table || (table = rank_1.next()).has_value(); });
    REQUIRE(table);
    CHECK(table->type == MessageType::table);

    late.end();
    CHECK(late.last_word() == Answer::unexpected);
    rank_1.close("the test is over");
    rank_0.join();
    CHECK(outcome.kind == Outcome::Kind::unavailable);
    CHECK(contains(outcome.text, "rank 1 (host here, pid 11) left during the rendezvous"));
}
