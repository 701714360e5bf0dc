// SPDX-License-Identifier: Apache-2.0
// Rank 0's list at the rendezvous: ranks that come in any order, and one that is wrong.
#include "catch.hpp"

#include <algorithm>

#include "comm/rendezvous/roster.hpp"
#include "comm/simulation/dice.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

enum class Wrong { nothing, missing, twice, out_of_range, size, build, config, encryption };
constexpr int kWrongs = 8;

Info info_of(Rank rank, int size) {
    Info info;
    info.who = {rank, "host" + std::to_string(rank), 100 + rank};
    info.size = size;
    info.incarnation = 1000 + static_cast<std::uint64_t>(rank);
    info.data_address = "10.0.0.1:" + std::to_string(4000 + rank);
    info.build = "build 1";
    info.config = "config 1";
    return info;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// Enters all of `infos`; the first refusal.
std::optional<Refusal> enter_all(Roster& roster, std::vector<Info> infos) {
    for (Info& info : infos)
        if (auto refusal = roster.enter(std::move(info))) return refusal;
    return std::nullopt;
}

}  // namespace

TEST_CASE("the roster is complete, or says who is wrong and why, in whatever order ranks come") {
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        const int size = dice.between(2, 9);
        const auto wrong = static_cast<Wrong>(dice.below(kWrongs));
        const Rank odd = dice.between(1, size - 1);
        const std::string odd_name = to_string(info_of(odd, size).who);
        JoinOptions options;
        options.size = size;
        options.build = "build 1";
        options.config = "config 1";
        Roster roster(options, {{0, "host0", 100}, 0, {}, {}, {}});

        std::vector<Info> infos;
        for (Rank rank = 1; rank < size; ++rank) {
            if (wrong == Wrong::missing && rank == odd) continue;
            infos.push_back(info_of(rank, size));
            Info& info = infos.back();
            if (rank != odd) continue;
            if (wrong == Wrong::size) info.size = size + 1;
            if (wrong == Wrong::build) info.build = "build 2";
            if (wrong == Wrong::config) info.config = "config 2";
            if (wrong == Wrong::encryption) info.encryption = Encryption::tls;
            if (wrong == Wrong::out_of_range) info.who.rank = dice.chance(0.5) ? 0 : size;
            if (wrong == Wrong::twice) infos.push_back(info);
        }
        for (std::size_t i = infos.size(); i > 1; --i)
            std::swap(infos[i - 1], infos[static_cast<std::size_t>(dice.below(static_cast<int>(i)))]);
        const auto refusal = enter_all(roster, infos);

        const bool at_once =
            wrong == Wrong::twice || wrong == Wrong::out_of_range || wrong == Wrong::size || wrong == Wrong::encryption;
        REQUIRE(refusal.has_value() == at_once);
        REQUIRE(roster.differs() == (wrong == Wrong::build || wrong == Wrong::config));
        switch (wrong) {
            case Wrong::nothing: {
                REQUIRE(roster.all_met());
                const auto table = roster.table();
                REQUIRE(table.size() == static_cast<std::size_t>(size));
                for (Rank rank = 1; rank < size; ++rank) {
                    const TableEntry& entry = table[static_cast<std::size_t>(rank)];
                    REQUIRE((entry.who.rank == rank && entry.incarnation == info_of(rank, size).incarnation));
                }
                Hello hello{.role = ConnectionRole::data, .rank = odd, .incarnation = info_of(odd, size).incarnation};
                CHECK(roster.expects_data(hello));
                hello.encryption = Encryption::tls;
                CHECK_FALSE(roster.expects_data(hello));
                hello.encryption = Encryption::none;
                hello.role = ConnectionRole::local;  // but it is not on rank 0's host
                CHECK_FALSE(roster.expects_data(hello));
                hello.role = ConnectionRole::data;
                ++hello.incarnation;  // of an earlier life of this rank
                CHECK_FALSE(roster.expects_data(hello));
                break;
            }
            case Wrong::missing:
                REQUIRE_FALSE(roster.all_met());
                CHECK(contains(roster.missing("here", {3, 2}).text, "rank " + std::to_string(odd) + " of "));
                CHECK(contains(roster.missing("here", {3, 2}).text, "(3 connections could not prove the token)"));
                CHECK(contains(roster.missing("here", {3, 2}).text, "(2 connections proved it, but TLS did not "));
                break;
            case Wrong::twice:
                CHECK(contains(refusal->text, "two processes joined as rank " + std::to_string(odd)));
                break;
            case Wrong::out_of_range:
                CHECK(contains(refusal->text, "give each worker its own rank"));
                break;
            case Wrong::size:
                CHECK(contains(refusal->text, odd_name + " was started as one of " + std::to_string(size + 1)));
                break;
            case Wrong::encryption:
                CHECK(refusal->is_config);
                CHECK(contains(refusal->text, odd_name + " was started with 'tls', rank 0 "));
                break;
            case Wrong::build:
                CHECK(contains(roster.difference().text, odd_name + " runs build 'build 2'"));
                CHECK_FALSE(roster.words_for(odd, roster.difference()).config);
                break;
            case Wrong::config:
                CHECK(contains(roster.difference().text, "the configuration of " + odd_name + " differs"));
                CHECK(roster.difference().is_config);
                CHECK(roster.words_for(odd, roster.difference()).config == "config 1");
                break;
        }
    }
}

TEST_CASE("a connection for data is in TLS where the job is, and plain through shared memory") {
    JoinOptions options;
    options.size = 3;
    options.encryption = Encryption::tls;
    Roster roster(options, {{0, "host0", 100}, 0, {}, "machine 0", {}});
    Info near = info_of(1, 3), far = info_of(2, 3);
    near.local_host = "machine 0";
    far.local_host = "machine 1";
    for (Info* info : {&near, &far}) {
        info->encryption = Encryption::tls;
        info->build = info->config = "";
        REQUIRE_FALSE(roster.enter(*info));
    }
    for (const ConnectionRole role : {ConnectionRole::control, ConnectionRole::data, ConnectionRole::local})
        for (const Encryption encryption : {Encryption::none, Encryption::tls}) {
            CAPTURE(static_cast<int>(role), to_string(encryption));
            const bool plain = encryption == Encryption::none;
            Hello hello{.role = role, .encryption = encryption, .rank = 1, .incarnation = near.incarnation};
            CHECK(roster.expects_data(hello) == (role == ConnectionRole::local && plain));
            hello.rank = 2;
            hello.incarnation = far.incarnation;
            CHECK(roster.expects_data(hello) == (role == ConnectionRole::data && !plain));
        }
}
