// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <list>
#include <optional>
#include <thread>

#include "comm/rendezvous/address_file.hpp"
#include "comm/rendezvous/dial.hpp"
#include "comm/rendezvous/local_door.hpp"
#include "comm/rendezvous/meeting.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::string_view kFile = "file://", kTcp = "tcp://";
constexpr auto kShortestPause = std::chrono::milliseconds(20);
constexpr auto kLongestPause = std::chrono::milliseconds(250);
constexpr auto kOneTry = std::chrono::seconds(5);  // a host may have another address that works

std::uint64_t draw_incarnation() {
    std::array<std::byte, 8> bytes;
    secure_random(bytes);
    return load_little_endian<std::uint64_t>(bytes.data());
}

class Attending {
  public:
    Attending(const JoinOptions& options, Time deadline)
        : options_(options),
          deadline_(deadline),
          self_(describe_self(options.rank)),
          incarnation_(draw_incarnation()),
          token_(options.token),
          door_(open_local_door(data_transport(options))) {}

    ~Attending() { wipe(token_); }
    Attending(const Attending&) = delete;
    Attending& operator=(const Attending&) = delete;

    Mesh run() {
        find_rank_0();
        // Where rank 0 is reached is also where the other ranks can reach this one.
        SocketAddress mine = local_address(control_.fd());
        mine = resolve({split_host_port(to_string(mine), "").host, 0}).front();
        UniqueFd listener = listen_at(mine);
        const Info info{self_,      options_.size, incarnation_,   to_string(local_address(listener.get())),
                        door_.host, door_.name,    options_.build, options_.config};
        std::list<Lobby> lobbies;
        const JobId job = job_id(options_.job);
        lobbies.emplace_back(std::move(listener), keys_, job, options_.rank, options_.encryption);
        if (door_.listener)
            lobbies.emplace_back(std::move(door_.listener), keys_, job, options_.rank, Encryption::none);
        control_.send(MessageType::info, write(info));
        const auto table = await_table();
        deadline_ = Clock::now() + mesh_time(options_);
        Mesh mesh;
        for (const TableEntry& entry : table) mesh.peers.push_back(entry.who);
        mesh.data.resize(table.size());
        mesh.shared.resize(table.size());
        try {
            connect_down(table, mesh);
            accept_from_above(table, mesh, lobbies);
        } catch (const UnavailableError& error) {
            // Rank 0 tells the others, so that nobody has to find out by waiting.
            control_.send(MessageType::refuse, write(Refusal{false, error.what(), std::nullopt, self_}));
            control_.finish();
            throw;
        }
        control_.send(MessageType::ready);
        while (await_message().type != MessageType::go) {
        }
        mesh.control.push_back(std::move(control_));
        return mesh;
    }

  private:
    void find_rank_0() {
        const bool by_file = options_.address.starts_with(kFile);
        const std::string path = by_file ? options_.address.substr(kFile.size()) : std::string();
        std::string where = options_.address;
        Dialled failure{.why = "nobody is there"};
        auto pause = kShortestPause;
        for (;;) {
            std::optional<SocketAddress> address;
            if (by_file) {
                if (auto content = read_address_file(path)) {
                    where = content->address;
                    address = resolve(split_host_port(where, where)).front();
                    if (options_.token.empty()) token_ = std::move(content->token);
                } else {
                    failure = {.why = "the file is not there"};
                }
                if (try_rank_0(address, by_file, failure)) return;
            } else {
                const auto place = split_host_port(where.substr(kTcp.size()), where);
                if (place.port == 0)
                    throw UsageError("'", where, "' has no port, so rank ", options_.rank,
                                     " cannot find rank 0; write tcp://host:port");
                for (const SocketAddress& candidate : resolve(place))
                    if (try_rank_0(candidate, by_file, failure)) return;
            }
            if (Clock::now() + pause >= deadline_)
                throw UnavailableError("rank ", options_.rank, " could not join the job at ", where, " within ",
                                       options_.rendezvous_seconds, " s: ", failure.why, "; ",
                                       cure_of(failure, "check that rank 0 runs, and the address"));
            std::this_thread::sleep_for(pause);
            pause = std::min(pause * 2, by_file ? kLongestPause / 5 : kLongestPause);
        }
    }

    static std::string cure_of(const Dialled& failure, const char* otherwise) {
        return failure.cure.empty() ? otherwise : failure.cure;
    }

    bool try_rank_0(const std::optional<SocketAddress>& address, bool by_file, Dialled& failure) {
        if (!address) return false;
        if (token_.empty())
            throw UnavailableError("rank ", options_.rank, " has no job token to show to rank 0 at ", *address,
                                   "; give all ranks one, for example with FIRECAFFE_TOKEN_FILE, or meet at a file:// ",
                                   "address, which brings one");
        keys_ = job_keys(token_);
        Hello hello;
        hello.role = ConnectionRole::control;
        hello.encryption = options_.encryption;
        hello.rank = options_.rank;
        hello.incarnation = incarnation_;
        hello.job = job_id(options_.job);
        Dialled dialled = dial(*address, keys_, hello, std::min(deadline_, Clock::now() + kOneTry));
        if (!dialled.connection) {
            failure = std::move(dialled);
            // A file may be left over from an earlier run, until rank 0 replaces it.
            if (failure.final && !by_file)
                throw UnavailableError("rank ", options_.rank, " was not let in at ", *address, ": ", failure.why, "; ",
                                       failure.cure);
            return false;
        }
        tune(dialled.connection.fd(), true, system_limit(options_));
        control_ = Channel(std::move(dialled.connection));
        rank_0_ = *address;
        return true;
    }

    // Throws what rank 0 refuses, and its end.
    std::optional<Message> hear() {
        auto message = control_.next();
        if (message)
            if (const auto refusal = read_refusal(*message)) throw_refusal(*refusal, options_, self_);
        if (!message && control_.closed())
            throw UnavailableError("rank 0 at ", rank_0_, " left during the rendezvous: ", control_.why_closed(),
                                   "; see its log");
        return message;
    }

    Message await_message() {
        for (;;) {
            control_.flush();
            if (auto message = hear()) return std::move(*message);
            if (!wait_for(control_.fd(), control_.events(), deadline_))
                throw UnavailableError("rank 0 at ", rank_0_, " did not answer rank ", options_.rank,
                                       " during the rendezvous; see its log");
        }
    }

    std::vector<TableEntry> await_table() {
        // Rank 0 gives up at its deadline and says who is missing; leave it the time to say so.
        deadline_ += std::chrono::seconds(3);
        const auto table = read_table(await_message());
        if (!table || static_cast<int>(table->size()) != options_.size)
            throw UnavailableError("rank 0 at ", rank_0_, " sent no table of ", options_.size,
                                   " ranks; use the same build on all ranks");
        return *table;
    }

    bool shares_memory_with(const TableEntry& entry) const { return share_memory(door_.host, entry.local_host); }

    void connect_down(const std::vector<TableEntry>& table, Mesh& mesh) {
        for (Rank rank = 0; rank < options_.rank; ++rank) {
            const auto at = static_cast<std::size_t>(rank);
            const TableEntry& entry = table[at];
            Hello hello;
            hello.rank = options_.rank;
            hello.target = rank;
            hello.incarnation = incarnation_;
            hello.job = job_id(options_.job);
            if (shares_memory_with(entry)) {
                hello.role = ConnectionRole::local;
                mesh.shared[at] =
                    offer_memory(connect(entry, local_socket_address(entry.local_name), hello, "use the transport tcp")
                                     .take_socket());
            } else {
                hello.role = ConnectionRole::data;
                hello.encryption = options_.encryption;
                const SocketAddress address =
                    rank == 0 ? rank_0_ : resolve(split_host_port(entry.data_address, entry.data_address)).front();
                mesh.data[at] = connect(entry, address, hello,
                                        "check that a firewall lets the workers reach one another on any port");
                tune(mesh.data[at].fd(), false, system_limit(options_));
            }
        }
    }

    Connection connect(const TableEntry& entry, const SocketAddress& address, const Hello& hello, const char* cure) {
        Dialled dialled;
        do {
            dialled = dial(address, keys_, hello, deadline_);
            if (!dialled.connection && !dialled.final) std::this_thread::sleep_for(kShortestPause);
        } while (!dialled.connection && !dialled.final && Clock::now() < deadline_);
        if (!dialled.connection)
            throw UnavailableError(self_, " cannot connect to ", entry.who, " at ", address, ": ", dialled.why, "; ",
                                   cure_of(dialled, cure));
        return std::move(dialled.connection);
    }

    void accept_from_above(const std::vector<TableEntry>& table, Mesh& mesh, std::list<Lobby>& lobbies) {
        int missing = count_missing(mesh);
        while (missing > 0) {
            std::vector<pollfd> entries{{control_.fd(), control_.events(), 0}};
            for (const Lobby& lobby : lobbies) entries.push_back({lobby.poll_fd(), POLLIN, 0});
            ::poll(entries.data(), entries.size(), milliseconds_until(deadline_, Clock::now(), 250));
            for (Lobby& lobby : lobbies) accept_guests(table, mesh, lobby);
            hear();
            missing = count_missing(mesh);
            if (missing > 0 && Clock::now() >= deadline_)
                throw UnavailableError(missing, " ranks above ", self_,
                                       " did not connect to it; check that a firewall ",
                                       "lets the workers reach one another on any port");
        }
    }

    static bool connected(const Mesh& mesh, Rank rank) {
        const auto at = static_cast<std::size_t>(rank);
        return mesh.data[at] || mesh.shared[at].socket;
    }

    int count_missing(const Mesh& mesh) const {
        int missing = 0;
        for (Rank rank = options_.rank + 1; rank < options_.size; ++rank) missing += connected(mesh, rank) ? 0 : 1;
        return missing;
    }

    void accept_guests(const std::vector<TableEntry>& table, Mesh& mesh, Lobby& lobby) {
        const auto expected = [&](const Hello& hello) {
            if (hello.rank <= options_.rank || hello.rank >= options_.size || connected(mesh, hello.rank)) return false;
            const TableEntry& entry = table[static_cast<std::size_t>(hello.rank)];
            return opens_data(hello, entry.incarnation, shares_memory_with(entry), options_.encryption);
        };
        lobby.serve(expected, [&](Lobby::Guest guest) {
            const auto at = static_cast<std::size_t>(guest.hello.rank);
            if (guest.hello.role == ConnectionRole::local) {
                mesh.shared[at] = accept_memory(guest.connection.take_socket(), deadline_);
            } else {
                tune(guest.connection.fd(), false, system_limit(options_));
                mesh.data[at] = std::move(guest.connection);
            }
        });
    }

    const JoinOptions& options_;
    Time deadline_;
    const PeerInfo self_;
    const std::uint64_t incarnation_;
    Token token_;
    LocalDoor door_;
    JobKeys keys_;
    Channel control_;
    SocketAddress rank_0_;
};

}  // namespace

Mesh attend(const JoinOptions& options, Time deadline) {
    return Attending(options, deadline).run();
}

}  // namespace firecaffe::comm
