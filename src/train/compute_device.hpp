// SPDX-License-Identifier: Apache-2.0
// DeviceWork: what a thread needs around it while it trains on a device. On a GPU: a stream, and how to multiply.
#pragma once

#include "firecaffe/device/stream.hpp"
#include "firecaffe/ops/gpu_math.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe {

template <class Device>
class DeviceWork;

template <>
class DeviceWork<Cpu> {
  public:
    struct Scope {
        ~Scope() {}  // so that it is no unused variable
    };

    explicit DeviceWork(const TrainOptions&) {}
    Scope enter() const { return {}; }
};

template <>
class DeviceWork<Cuda> {
  public:
    class Scope {
      public:
        explicit Scope(const DeviceWork& work) : stream_(work.stream_), math_(work.math_) {}

      private:
        StreamScope stream_;
        ops::GpuMathScope math_;
    };

    /// Throws ConfigError for options that a GPU cannot take, and DeviceError where there is none.
    explicit DeviceWork(const TrainOptions& options) : math_(gpu_math(check(options).compute)) {}
    Scope enter() const { return Scope(*this); }

  private:
    static const TrainOptions& check(const TrainOptions& options) {
        if (options.compute.threads != 1)
            throw ConfigError("/compute/threads: ", options.compute.threads,
                              " math threads for one GPU, which one thread keeps busy; leave 1, or start more workers");
        if (options.reducer.factors != FactorUse::never)
            throw ConfigError("/reducer/factors: gradients on a GPU do not travel as factors; leave 'never'");
        return options;
    }

    ops::GpuMath math_;
    Stream stream_;
};

}  // namespace firecaffe
