// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/factory.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/cuda.hpp"
#include "firecaffe/reducer/codec.hpp"
#include "firecaffe/reducer/local.hpp"
#include "firecaffe/reducer/mpi.hpp"
#include "firecaffe/reducer/nccl.hpp"
#include "firecaffe/reducer/power_reducer.hpp"
#include "firecaffe/reducer/scheme.hpp"
#include "firecaffe/reducer/tree.hpp"
#include "reducer/auto.hpp"
#include "reducer/of_others.hpp"
#include "reducer/on_gpu.hpp"

namespace firecaffe {
namespace {

using TransportPointer = std::shared_ptr<comm::Transport>;

/// What is stated of the link between workers, whatever sums over it.
void check_link(const ReducerOptions& options) {
    if (!(options.link_mbit >= 0 && options.link_mbit <= kLargestLinkMbit))
        throw ConfigError("/reducer/link_mbit: ", options.link_mbit,
                          " megabits a second; give 0, for what there is, or at most ", kLargestLinkMbit);
    if (options.link_mbit > 0 && options.transport == comm::TransportKind::shared_memory)
        throw ConfigError(
            "/reducer/link_mbit: ", options.link_mbit,
            " megabits a second slow down a link, and the transport 'shared_memory' has none; leave 0, or "
            "use transport 'tcp' or 'auto'");
}

void check_chunk(const ReducerOptions& options) {
    if (!(options.chunk_kb >= 0 && options.chunk_kb <= kLargestChunkKb))
        throw ConfigError("/reducer/chunk_kb: ", options.chunk_kb,
                          " times 1024 bytes; give 0, for what suits the scheme, or at most ", kLargestChunkKb);
}

int size_of_group(const TransportPointer& transport) {
    return transport == nullptr ? 1 : transport->size();
}

std::unique_ptr<Reducer> make_local(const ReducerOptions&, TransportPointer transport, int) {
    if (const int size = size_of_group(transport); size > 1) {
        throw ConfigError("/reducer/type: 'local' sums within one worker, but there are ", size,
                          "; use 'auto' or 'tree', or start one worker");
    }
    return make_local_reducer();
}

void refuse_wire(const ReducerOptions& options) {
    if (options.wire != comm::WireType::same)
        throw ConfigError(
            "/reducer/wire: a codec's messages are not narrowed; use one of reducer.wire and reducer.codec");
}

std::unique_ptr<Reducer> make_scheme(const ReducerOptions& options, TransportPointer transport, int shards) {
    if (transport == nullptr) return make_local_reducer();  // any scheme, for one worker
    SchemeRun run = *find_scheme(options, *transport, shards);
    if (options.codec.type == CodecOptions::Type::power_sgd && transport->size() > 1) {
        refuse_wire(options);
        SchemeRun of_factors = *find_scheme(options, *transport, transport->size());
        return make_power_reducer(std::move(transport), std::move(run.plan), std::move(of_factors.plan),
                                  options.codec.approximation_rank, run.executor);
    }
    if (auto codec = make_codec(options.codec); codec && transport->size() > 1) {
        refuse_wire(options);
        return make_coded_reducer(std::move(transport), std::move(run.plan), std::move(codec), run.executor);
    }
    return make_planned_reducer(std::move(transport), std::move(run.plan), run.executor, options.wire);
}

/// Another library's collectives sum what they are given, and send it as they like.
void require_plain(const ReducerOptions& options, std::string_view library) {
    if (options.wire != comm::WireType::same)
        throw ConfigError("/reducer/wire: ", library,
                          " sums in the type that gradients have; leave 'same', or use a scheme of ours, which can "
                          "narrow them");
    if (options.codec.type != CodecOptions::Type::none)
        throw ConfigError("/reducer/codec: ", library,
                          "'s own all-reduce knows no codecs; leave 'none', or use a scheme of ours");
    if (options.encryption != comm::Encryption::none)
        throw ConfigError("/reducer/encryption: ", library,
                          " moves gradients over connections of its own, which are not encrypted; leave 'none', or use "
                          "a scheme of ours");
    if (options.chunk_kb > 0)
        throw ConfigError("/reducer/chunk_kb: ", library,
                          " cuts what it sends as it likes; leave 0, or use a scheme of ours");
    if (options.link_mbit > 0)
        throw ConfigError("/reducer/link_mbit: ", library,
                          " moves gradients over connections of its own, which cannot be slowed down; leave 0, or use "
                          "a scheme of ours");
}

std::unique_ptr<Reducer> make_mpi(const ReducerOptions& options, TransportPointer transport, int shards) {
    if (size_of_group(transport) == 1) return make_local_reducer();
    require_plain(options, "MPI");
    return make_mpi_reducer(std::move(transport), shards, options);
}

std::unique_ptr<Reducer> make_nccl(const ReducerOptions& options, TransportPointer transport, int shards) {
    if (size_of_group(transport) == 1) return make_local_reducer();
    require_plain(options, "NCCL");
    return make_nccl_reducer(std::move(transport), shards, options);
}

// The parameters go through a StaleExchange (sync); this is for what still is summed, as figures of evaluations are.
std::unique_ptr<Reducer> make_beside_stale_server(const ReducerOptions& options, TransportPointer transport,
                                                  int shards) {
    if (options.wire != comm::WireType::same || options.codec.type != CodecOptions::Type::none)
        throw ConfigError(
            "/reducer: 'stale_server' sends updates and parameters as they are; leave wire 'same' and codec "
            "'none', or use a scheme that sums gradients");
    ReducerOptions sums = options;
    sums.type = "pipelined_tree";
    return make_scheme(sums, std::move(transport), shards);
}

// What is rounded on the way depends on the scheme. So there auto is always the same one, and a run can be repeated.
std::unique_ptr<Reducer> make_auto(const ReducerOptions& options, TransportPointer transport, int shards) {
    if (size_of_group(transport) == 1) return make_local(options, std::move(transport), shards);
    if (options.wire == comm::WireType::same && options.codec.type == CodecOptions::Type::none)
        return make_auto_reducer(std::move(transport), shards, options);
    ReducerOptions rounded = options;
    rounded.type = "pipelined_tree";
    return make_scheme(rounded, std::move(transport), shards);
}

bool is_scheme(const std::string& type) {
    return std::ranges::any_of(comm::schemes(), [&](const comm::Scheme& scheme) { return scheme.name == type; });
}

/// Of those that are registered at first.
bool is_ours(const std::string& type) {
    return is_scheme(type) || type == "local" || type == "auto" || type == "mpi" || type == "nccl" ||
           type == kStaleServer;
}

void require_gpu() {
    if (const CudaDevices devices = cuda_devices(); devices.count() == 0)
        throw DeviceError("sums in the memory of GPUs: ", devices.reason);
}

/// Sums where the gradients are, if their scheme is one of ours and sends them as they are. `host` makes what sums in
/// the host's memory.
template <class MakeHost>
std::unique_ptr<Reducer> make_on_gpu(ReducerOptions options, TransportPointer transport, int shards,
                                     const MakeHost& host) {
    if (size_of_group(transport) == 1 && is_ours(options.type)) {
        options.on_gpu = false;
        host(options, nullptr, shards);  // throws what one worker cannot have
        require_gpu();
        return make_local_reducer_on_gpu();
    }
    const bool plain = options.wire == comm::WireType::same && options.codec.type == CodecOptions::Type::none;
    if (plain && (is_scheme(options.type) || options.type == "auto")) {
        if (options.type == "auto") options.type = "pipelined_tree";
        SchemeRun run = *find_scheme(options, *transport, shards);
        return make_reducer_on_gpu(std::move(transport), std::move(run), options.gpu, comm::make_cuda_memory());
    }
    if (options.gpu == GpuSharing::ipc)
        throw ConfigError("/reducer/gpu: 'ipc' sums in the memory of GPUs, but reducer '", options.type,
                          plain ? "'" : "' with a codec or a narrower type",
                          " does so in the host's; use 'auto' or "
                          "'staged', or a scheme of ours, with wire 'same' and codec 'none'");
    options.on_gpu = false;
    const int rank = transport == nullptr ? 0 : transport->rank(), size = size_of_group(transport);
    const int partials = OwnSum(rank, size, shards).partials();
    auto device = comm::make_cuda_memory();
    return make_staged_reducer(host(options, std::move(transport), shards), partials, std::move(device));
}

}  // namespace

ReducerRegistry::ReducerRegistry() {
    add("local", make_local);
    add("mpi", make_mpi);
    add("nccl", make_nccl);
    for (const comm::Scheme& scheme : comm::schemes()) add(scheme.name, make_scheme);
    add("auto", make_auto);
    add(kStaleServer, make_beside_stale_server);
}

void ReducerRegistry::add(std::string name, Factory factory) {
    if (name.empty() || !factory)
        throw UsageError("ReducerRegistry: give a name and a factory; the name is '", name, "'");
    const auto [entry, fresh] = factories_.try_emplace(std::move(name), std::move(factory));
    if (!fresh) throw UsageError("ReducerRegistry: '", entry->first, "' is already registered; choose another name");
}

std::vector<std::string> ReducerRegistry::names() const {
    std::vector<std::string> names;
    for (const auto& entry : factories_) names.push_back(entry.first);
    return names;
}

std::unique_ptr<Reducer> ReducerRegistry::make(const ReducerOptions& options, TransportPointer transport,
                                               int shards) const {
    if (shards < 1) throw UsageError("ReducerRegistry: ", shards, " shards; give at least 1");
    check_link(options);
    check_chunk(options);
    const auto found = factories_.find(options.type);
    if (found == factories_.end()) {
        std::string known;
        for (const std::string& name : names()) known += (known.empty() ? "" : ", ") + name;
        throw ConfigError("/reducer/type: unknown reducer '", options.type, "'; use one of ", known);
    }
    // NCCL has its own ways to the memory of GPUs. For one worker it is nothing but a name.
    if (options.on_gpu && (options.type != "nccl" || size_of_group(transport) == 1))
        return make_on_gpu(options, std::move(transport), shards, found->second);
    return found->second(options, std::move(transport), shards);
}

}  // namespace firecaffe
