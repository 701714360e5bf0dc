// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <iterator>
#include <list>
#include <optional>

#include "comm/rendezvous/local_door.hpp"
#include "comm/rendezvous/meeting.hpp"
#include "comm/rendezvous/roster.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr auto kGrace = std::chrono::seconds(1);  // after a difference was found, to hear of others and to tell them

struct Member {
    Channel channel;
    bool ready = false;
};

class Gathering {
  public:
    Gathering(const JoinOptions& options, UniqueFd listener, const JobKeys& keys, std::string address, Time deadline)
        : options_(options),
          address_(std::move(address)),
          deadline_(deadline),
          self_(describe_self(0)),
          lobby_(std::move(listener), keys, job_id(options.job), 0, options.encryption),
          door_(open_local_door(data_transport(options))),
          roster_(options, {self_, 0, {}, door_.host, door_.name}),
          members_(static_cast<std::size_t>(options.size)),
          data_(static_cast<std::size_t>(options.size)),
          shared_(static_cast<std::size_t>(options.size)) {
        if (door_.listener)
            local_lobby_.emplace(std::move(door_.listener), keys, job_id(options.job), 0, Encryption::none);
    }

    Mesh run() {
        while (!roster_.all_met()) {
            if (Clock::now() >= deadline_) refuse(roster_.missing(address_, lobby_.failures()));
            if (roster_.differs() && Clock::now() >= differing_until_) break;
            sleep(roster_.differs() ? differing_until_ : deadline_);
            or_refuse([this] { welcome_controls(); });
            hear_arrivals();
            hear_members();
        }
        if (roster_.differs()) refuse(roster_.difference());
        if (options_.transport == TransportKind::shared_memory)
            if (const auto refusal = roster_.apart()) refuse(*refusal);
        send_table();
        deadline_ = Clock::now() + mesh_time(options_);
        while (!mesh_is_up()) {
            if (Clock::now() >= deadline_) refuse(roster_.unconnected(unconnected()));
            sleep(deadline_);
            or_refuse([this] {
                welcome_data(lobby_);
                if (local_lobby_) welcome_data(*local_lobby_);
            });
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

    bool mesh_is_up() { return unconnected().empty(); }

    bool connected(Rank rank) const { return data_[at(rank)] || shared_[at(rank)].socket; }

    std::vector<Rank> unconnected() {
        std::vector<Rank> ranks;
        for_each_member([&](Rank rank, Member& entry) {
            if (!entry.ready || !connected(rank)) ranks.push_back(rank);
        });
        return ranks;
    }

    void sleep(Time until) {
        std::vector<pollfd> entries{{lobby_.poll_fd(), POLLIN, 0}};
        if (local_lobby_) entries.push_back({local_lobby_->poll_fd(), POLLIN, 0});
        const auto add = [&](const Channel& channel) { entries.push_back({channel.fd(), channel.events(), 0}); };
        for (const Channel& channel : arrivals_) add(channel);
        for_each_member([&](Rank, Member& entry) { add(entry.channel); });
        ::poll(entries.data(), entries.size(), milliseconds_until(until, Clock::now(), 250));
    }

    // What this rank cannot do the others hear too.
    template <class Step>
    void or_refuse(Step step) {
        try {
            step();
        } catch (const UnavailableError& error) {
            refuse({false, error.what(), std::nullopt, self_});
        }
    }

    void welcome_controls() {
        const auto expected = [](const Hello& hello) { return hello.role == ConnectionRole::control; };
        lobby_.serve(expected, [&](Lobby::Guest guest) {
            tune(guest.connection.fd(), true, system_limit(options_));
            arrivals_.emplace_back(std::move(guest.connection));
        });
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
        info.encryption = channel.encryption();
        const Rank rank = info.who.rank;
        const bool differed = roster_.differs();
        if (const auto refusal = roster_.enter(std::move(info))) {
            latecomer_ = std::move(channel);
            refuse(*refusal);
        }
        if (roster_.differs() && !differed) differing_until_ = std::min(deadline_, Clock::now() + kGrace);
        member(rank) = Member{std::move(channel)};
    }

    void hear_members() {
        for_each_member([&](Rank rank, Member& entry) {
            while (const auto message = entry.channel.next()) {
                if (message->type == MessageType::ready) entry.ready = true;
                if (const auto refusal = read_refusal(*message)) refuse(*refusal);
            }
            if (entry.channel.closed()) refuse(roster_.left(rank, entry.channel.why_closed()));
        });
    }

    void welcome_data(Lobby& lobby) {
        const auto expected = [&](const Hello& hello) { return roster_.expects_data(hello) && !connected(hello.rank); };
        lobby.serve(expected, [&](Lobby::Guest guest) {
            if (guest.hello.role == ConnectionRole::local) {
                shared_[at(guest.hello.rank)] = accept_memory(guest.connection.take_socket(), deadline_);
            } else {
                tune(guest.connection.fd(), false, system_limit(options_));
                data_[at(guest.hello.rank)] = std::move(guest.connection);
            }
        });
    }

    void send_table() {
        const WireWriter table = write(roster_.table());
        for_each_member([&](Rank, Member& entry) { entry.channel.send(MessageType::table, table); });
    }

    Mesh finish() {
        Mesh mesh;
        mesh.peers.push_back(self_);
        mesh.control.resize(members_.size());
        for_each_member([&](Rank rank, Member& entry) {
            entry.channel.send(MessageType::go);
            mesh.peers.push_back(roster_.of(rank).who);
            mesh.control[at(rank)] = std::move(entry.channel);
        });
        mesh.data = std::move(data_);
        mesh.shared = std::move(shared_);
        return mesh;
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
        for_each_member([&](Rank rank, Member& entry) { tell(entry.channel, roster_.words_for(rank, refusal)); });
        arrivals_.push_back(std::move(latecomer_));
        for (Channel& channel : arrivals_) tell(channel, refusal);

        const Time end = Clock::now() + kGrace;
        while (Clock::now() < end) {
            const std::size_t before = arrivals_.size();
            try {
                welcome_controls();
            } catch (const UnavailableError&) {  // the first cause is the one to tell
            }
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
    Roster roster_;
    std::optional<Lobby> local_lobby_;
    std::list<Channel> arrivals_;  // proved, but not introduced
    Channel latecomer_;            // introduced, but wrong
    std::vector<std::optional<Member>> members_;
    std::vector<Connection> data_;
    std::vector<SharedEnds> shared_;
};

}  // namespace

Mesh gather(const JoinOptions& options, UniqueFd listener, const JobKeys& keys, const std::string& address,
            Time deadline) {
    return Gathering(options, std::move(listener), keys, address, deadline).run();
}

}  // namespace firecaffe::comm
