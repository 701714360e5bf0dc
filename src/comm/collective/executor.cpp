// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/executor.hpp"

#include "comm/collective/engine.hpp"

namespace firecaffe::comm {

Executor::Executor(Transport& transport, ExecutorOptions options, Arithmetic& arithmetic)
    : transport_(transport), engine_(std::make_unique<Engine>(transport, options, arithmetic)) {}
Executor::~Executor() = default;

void Executor::run(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, ElementTypes types,
                   OperationTag tag) {
    engine_->start(plan, slots, count, types, tag);
    try {
        for (Progress progress = engine_->advance(); !progress.done(); progress = engine_->advance())
            if (progress.awaited != nullptr) transport_.wait(*progress.awaited);
    } catch (const std::exception& error) {
        engine_->abandon(error.what());
        throw;
    }
}

std::size_t Executor::scratch_bytes() const {
    return engine_->scratch_bytes();
}

}  // namespace firecaffe::comm
