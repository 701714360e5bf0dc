// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <iterator>
#include <list>
#include <optional>

#include "comm/rendezvous/local_door.hpp"
#include "comm/rendezvous/meeting.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr auto kGrace = std::chrono::seconds(1);  // after a difference was found, to hear of others and to tell them

struct Member {
    Channel channel;
    Info info;
    bool ready = false;
};

class Gathering {
  public:
    Gathering(const JoinOptions& options, UniqueFd listener, const Digest& key, std::string address, Time deadline)
        : options_(options),
          address_(std::move(address)),
          deadline_(deadline),
          self_(describe_self(0)),
          lobby_(std::move(listener), key, job_id(options.job), 0),
          door_(open_local_door(options.transport)),
          members_(static_cast<std::size_t>(options.size)),
          data_(static_cast<std::size_t>(options.size)),
          shared_(static_cast<std::size_t>(options.size)) {
        if (door_.listener) local_lobby_.emplace(std::move(door_.listener), key, job_id(options.job), 0);
    }

    Mesh run() {
        while (!all_met()) {
            if (Clock::now() >= deadline_) refuse(missing());
            if (!differing_.empty() && Clock::now() >= differing_until_) break;
            sleep(differing_.empty() ? deadline_ : differing_until_);
            welcome_controls();
            hear_arrivals();
            hear_members();
        }
        if (!differing_.empty()) refuse(difference());
        if (options_.transport == TransportKind::shared_memory) require_shared_memory();
        send_table();
        deadline_ = Clock::now() + mesh_time(options_);
        while (!mesh_is_up()) {
            if (Clock::now() >= deadline_) refuse(unconnected());
            sleep(deadline_);
            welcome_data(lobby_);
            if (local_lobby_) welcome_data(*local_lobby_);
            hear_members();
        }
        return finish();
    }

  private:
    static std::size_t at(Rank rank) { return static_cast<std::size_t>(rank); }
    std::optional<Member>& member(Rank rank) { return members_[at(rank)]; }

    template <class Action>
    void for_each_member(Action action) {
        for (Rank rank = 1; rank < options_.size; ++rank)
            if (member(rank)) action(rank, *member(rank));
    }

    bool all_met() {
        int met = 1;
        for_each_member([&](Rank, Member&) { ++met; });
        return met == options_.size;
    }

    bool shares_memory_with(Rank rank) { return share_memory(door_.host, member(rank)->info.local_host); }
    bool connected(Rank rank) const { return data_[at(rank)] || shared_[at(rank)].socket; }

    bool mesh_is_up() {
        bool up = true;
        for_each_member([&](Rank rank, Member& entry) { up = up && entry.ready && connected(rank); });
        return up;
    }

    void sleep(Time until) {
        std::vector<pollfd> entries{{lobby_.poll_fd(), POLLIN, 0}};
        if (local_lobby_) entries.push_back({local_lobby_->poll_fd(), POLLIN, 0});
        const auto add = [&](const Channel& channel) { entries.push_back({channel.fd(), channel.events(), 0}); };
        for (const Channel& channel : arrivals_) add(channel);
        for_each_member([&](Rank, Member& entry) { add(entry.channel); });
        ::poll(entries.data(), entries.size(), milliseconds_until(until, Clock::now(), 250));
    }

    void welcome_controls() {
        auto guests = lobby_.serve([](const Hello& hello) { return hello.role == ConnectionRole::control; });
        for (Lobby::Guest& guest : guests) {
            tune(guest.fd.get(), true, system_limit(options_));
            arrivals_.emplace_back(std::move(guest.fd));
        }
    }

    void hear_arrivals() {
        for (auto entry = arrivals_.begin(); entry != arrivals_.end();) {
            const auto message = entry->next();
            if (!message && !entry->closed()) {
                ++entry;
                continue;
            }
            auto info = message ? read_info(*message) : std::nullopt;
            if (info) meet(std::move(*info), *entry);
            entry = arrivals_.erase(entry);
        }
    }

    void meet(Info info, Channel& channel) {
        const PeerInfo who = info.who;
        const auto fail = [&](std::string why) {
            latecomer_ = std::move(channel);
            refuse({false, std::move(why), std::nullopt, self_});
        };
        if (info.size != options_.size)
            fail(text("the ranks disagree about their number: ", who, " was started as one of ", info.size, ", ", self_,
                      " as one of ", options_.size, "; start all ranks with the same number of workers"));
        if (who.rank <= 0 || who.rank >= options_.size)
            fail(text(who, " joined, but the ranks that may join are 1 to ", options_.size - 1,
                      "; give each worker its own rank"));
        if (member(who.rank))
            fail(text("two processes joined as rank ", who.rank, ": ", member(who.rank)->info.who, " and ", who,
                      "; give each worker its own rank"));
        if (info.build != options_.build || info.config != options_.config) {
            if (differing_.empty()) differing_until_ = std::min(deadline_, Clock::now() + kGrace);
            differing_.push_back(who.rank);
        }
        member(who.rank) = Member{std::move(channel), std::move(info)};
    }

    void hear_members() {
        for_each_member([&](Rank, Member& entry) {
            while (const auto message = entry.channel.next()) {
                if (message->type == MessageType::ready) entry.ready = true;
                if (const auto refusal = read_refusal(*message)) refuse(*refusal);
            }
            if (entry.channel.closed())
                refuse({false,
                        text(entry.info.who, " left during the rendezvous: ", entry.channel.why_closed(),
                             "; see its log and start the job again"),
                        std::nullopt, self_});
        });
    }

    void welcome_data(Lobby& lobby) {
        auto guests = lobby.serve([&](const Hello& hello) {
            if (hello.rank <= 0 || hello.rank >= options_.size) return false;
            const bool shares = shares_memory_with(hello.rank);
            return hello.role == (shares ? ConnectionRole::local : ConnectionRole::data) &&
                   hello.incarnation == member(hello.rank)->info.incarnation && !connected(hello.rank);
        });
        for (Lobby::Guest& guest : guests) {
            if (guest.hello.role == ConnectionRole::local) {
                take_memory(guest);
            } else {
                tune(guest.fd.get(), false, system_limit(options_));
                data_[at(guest.hello.rank)] = std::move(guest.fd);
            }
        }
    }

    void take_memory(Lobby::Guest& guest) {
        try {
            shared_[at(guest.hello.rank)] = accept_memory(std::move(guest.fd), deadline_);
        } catch (const UnavailableError& error) {
            refuse({false, error.what(), std::nullopt, self_});
        }
    }

    void require_shared_memory() {
        for_each_member([&](Rank rank, Member& entry) {
            if (shares_memory_with(rank)) return;
            refuse(
                {false,
                 text(entry.info.who, " and ", self_, " cannot share memory, because they run on two machines, in two ",
                      "network namespaces or as two users; use the transport auto, or tcp"),
                 std::nullopt, self_});
        });
    }

    void send_table() {
        std::vector<TableEntry> table{{self_, 0, {}, door_.host, door_.name}};
        for_each_member([&](Rank, Member& entry) {
            table.push_back({entry.info.who, entry.info.incarnation, entry.info.data_address, entry.info.local_host,
                             entry.info.local_name});
        });
        for_each_member([&](Rank, Member& entry) { entry.channel.send(MessageType::table, write(table)); });
    }

    Mesh finish() {
        Mesh mesh;
        mesh.peers.push_back(self_);
        mesh.control.resize(members_.size());
        for_each_member([&](Rank rank, Member& entry) {
            entry.channel.send(MessageType::go);
            mesh.peers.push_back(entry.info.who);
            mesh.control[at(rank)] = std::move(entry.channel);
        });
        mesh.data = std::move(data_);
        mesh.shared = std::move(shared_);
        return mesh;
    }

    Refusal missing() {
        std::string ranks;
        int count = 0;
        for (Rank rank = 1; rank < options_.size; ++rank) {
            if (member(rank)) continue;
            ranks += text(ranks.empty() ? "" : ", ", rank);
            ++count;
        }
        return {
            false,
            text(count == 1 ? "rank " : "ranks ", ranks, " of ", options_.size, " did not join the job at ", address_,
                 " within ", options_.rendezvous_seconds, " s",
                 lobby_.strangers() == 0 ? std::string()
                                         : text(" (", lobby_.strangers(), " connections could not prove the token)"),
                 "; see the logs of the missing ranks, or raise the rendezvous deadline"),
            std::nullopt, self_};
    }

    Refusal unconnected() {
        std::string ranks;
        for_each_member([&](Rank rank, Member& entry) {
            if (!entry.ready || !connected(rank)) ranks += text(ranks.empty() ? "" : ", ", entry.info.who);
        });
        return {false,
                text("these ranks met, but could not connect to all others: ", ranks,
                     "; check that a firewall lets the workers reach one another on any port"),
                std::nullopt, self_};
    }

    Refusal difference() {
        std::string what;
        for (const Rank rank : differing_) {
            const Info& info = member(rank)->info;
            if (!what.empty()) what += "; ";
            if (info.build != options_.build)
                what += text(info.who, " runs build '", info.build, "', ", self_, " runs '", options_.build, "'");
            else
                what += text("the configuration of ", info.who, " differs from that of ", self_, ": ",
                             explain_difference(options_, options_.config, info.config));
        }
        return {true, what + "; start all ranks with the same build and configuration", std::nullopt, self_};
    }

    // Tells everybody who is here, and who comes within the grace, and throws.
    [[noreturn]] void refuse(const Refusal& refusal) {
        int told = 1;
        const auto tell = [&](Channel& channel, const Refusal& words) {
            if (channel.fd() < 0) return;
            channel.send(MessageType::refuse, write(words));
            channel.finish();
            ++told;
        };
        for_each_member([&](Rank, Member& entry) {
            Refusal words = refusal;
            if (refusal.is_config && entry.info.build == options_.build && entry.info.config != options_.config)
                words.config = options_.config;
            tell(entry.channel, words);
        });
        arrivals_.push_back(std::move(latecomer_));
        for (Channel& channel : arrivals_) tell(channel, refusal);

        const Time end = Clock::now() + kGrace;
        while (Clock::now() < end) {
            const std::size_t before = arrivals_.size();
            welcome_controls();
            for (auto entry = std::next(arrivals_.begin(), static_cast<std::ptrdiff_t>(before));
                 entry != arrivals_.end(); ++entry)
                tell(*entry, refusal);
            // Until they have closed: a socket that is closed earlier might take our words back.
            bool all_closed = true;
            const auto drain = [&](Channel& channel) {
                channel.flush();
                while (channel.next()) {
                }
                all_closed = all_closed && channel.fd() < 0;
            };
            for_each_member([&](Rank, Member& entry) { drain(entry.channel); });
            for (Channel& channel : arrivals_) drain(channel);
            if (all_closed && (told >= options_.size || Clock::now() >= deadline_)) break;
            sleep(end);
        }
        throw_refusal(refusal, options_, self_);
    }

    const JoinOptions& options_;
    const std::string address_;
    Time deadline_, differing_until_;
    const PeerInfo self_;
    Lobby lobby_;
    LocalDoor door_;
    std::optional<Lobby> local_lobby_;
    std::list<Channel> arrivals_;  // proved, but not introduced
    Channel latecomer_;            // introduced, but wrong
    std::vector<std::optional<Member>> members_;
    std::vector<UniqueFd> data_;
    std::vector<SharedEnds> shared_;
    std::vector<Rank> differing_;
};

}  // namespace

Mesh gather(const JoinOptions& options, UniqueFd listener, const Digest& key, const std::string& address,
            Time deadline) {
    return Gathering(options, std::move(listener), key, address, deadline).run();
}

}  // namespace firecaffe::comm
