// SPDX-License-Identifier: Apache-2.0
// ComputeDevice: what a thread needs around it while it trains on a device. On a GPU: a stream, and how to multiply.
#pragma once

#include "firecaffe/device/stream.hpp"
#include "firecaffe/ops/gpu_math.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe {

template <class Device>
class ComputeDevice;

template <>
class ComputeDevice<Cpu> {
  public:
    struct Scope {
        ~Scope() {}  // so that it is no unused variable
    };

    explicit ComputeDevice(const TrainOptions&) {}
    Scope enter() const { return {}; }
};

template <>
class ComputeDevice<Cuda> {
  public:
    class Scope {
      public:
        explicit Scope(const ComputeDevice& device) : stream_(device.stream_), math_(device.math_) {}

      private:
        StreamScope stream_;
        ops::GpuMathScope math_;
    };

    /// Throws ConfigError for options that a GPU cannot take, and DeviceError where there is none.
    explicit ComputeDevice(const TrainOptions& options) : math_(gpu_math(check(options).compute)) {}
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
