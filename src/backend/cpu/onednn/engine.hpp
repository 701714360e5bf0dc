// SPDX-License-Identifier: Apache-2.0
// What the oneDNN bodies share: thread rules, layouts, and primitives that run without allocating.
//
// Threads. An op is used by one thread at a time, and several threads run ops at once, each with one core. oneDNN asks
// OpenMP how many threads it may use, both when a primitive is created and when it runs; OneMathThread answers "one"
// for the calling thread only, and only within its scope.
//
// Memory. Nothing here is shared between ops: each has its own engine, stream and scratchpad, so that ops of several
// threads do not meet. (oneDNN keeps one cache of generated code in the process, behind its own lock; it is read when
// an op is built.)
#pragma once

#include <array>
#include <cstddef>
#include <dnnl.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "firecaffe/core/error.hpp"
#include "firecaffe/device/memory.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::ops::onednn {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
inline constexpr auto kFloat = dnnl::memory::data_type::f32;

/// While it lives, OpenMP regions of the calling thread have one thread. Other threads keep their setting.
class OneMathThread {
  public:
    OneMathThread();
    ~OneMathThread();
    OneMathThread(const OneMathThread&) = delete;
    OneMathThread& operator=(const OneMathThread&) = delete;

  private:
    int before_;
};

/// The tensor as oneDNN sees it: four axes, those beyond the second folded into H where there are more.
Desc describe(const TensorSpec& spec);
Desc plain(const dnnl::memory::dims& dims);
Desc any_layout(const dnnl::memory::dims& dims);
/// Which of our layouts `desc` is, if any. A desc that matches several is the first of plain, blocked, channels last.
std::optional<Layout> layout_of(const Desc& desc);

/// Generic loops of oneDNN's, slower by orders of magnitude: worth a reorder to avoid them.
bool is_slow(const dnnl::primitive_desc_base& pd);

/// What a primitive's descriptor is created with: the scratchpad is ours.
dnnl::primitive_attr attributes();

/// One per op.
struct Context {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};
    Memory<Cpu> scratchpad;  ///< as large as the largest need of the op's primitives, which run one after another

    void reserve(const dnnl::primitive_desc_base& pd);
};

/// A primitive with its arguments. Running it changes pointers in objects made before: it does not allocate.
class Step {
  public:
    Step() = default;
    Step(Context& context, const dnnl::primitive& primitive, const dnnl::primitive_desc_base& pd);

    /// Adds an argument; `data` may be given later.
    Step& operand(int argument, const Desc& desc, const void* data = nullptr);
    Step& point(int argument, const void* data);
    void run();
    explicit operator bool() const { return context_ != nullptr; }

  private:
    static constexpr std::size_t kMost = 8;
    Context* context_ = nullptr;
    dnnl::primitive primitive_;
    std::array<dnnl::memory, kMost> memories_;
    std::array<dnnl_exec_arg_t, kMost> arguments_{};
    std::size_t count_ = 0;
};

/// A copy from one layout to another. Padding of the target becomes zero.
Step make_copy(Context& context, const Desc& from, const Desc& to);

/// An operand whose layout the caller has fixed and whose primitive may want another one. Where they agree, the
/// caller's memory is used as it is; where not, a buffer and a copy stand between.
class Bridge {
  public:
    Bridge() = default;
    enum class Direction { in, out };
    Bridge(Context& context, const Desc& caller, const Desc& primitive, Direction direction);

    bool copies() const { return bool(copy_); }
    /// in: what the primitive should read, filled from `from`.
    const void* bring(const void* from);
    /// out: where the primitive should write; `deliver` then brings it to `to`.
    void* target(void* to) { return copies() ? buffer_.data() : to; }
    void deliver(void* to);
    /// The buffer, as the last `bring` filled it.
    const void* kept() const { return buffer_.data(); }

  private:
    Step copy_;
    Memory<Cpu> buffer_;
};

/// Parameters, copied from plain layout into the one that a primitive reads.
class Packed {
  public:
    Packed(Context& context, const Desc& plain_layout, const Desc& primitive)
        : memory_(primitive.get_size()), copy_(make_copy(context, plain_layout, primitive)) {
        copy_.point(DNNL_ARG_TO, memory_.data());
    }
    void pack(const float* from) { copy_.point(DNNL_ARG_FROM, from).run(); }
    const void* data() const { return memory_.data(); }

  private:
    Memory<Cpu> memory_;
    Step copy_;
};

/// Runs `make`, which builds an op, and says what oneDNN could not do in our terms.
template <class Make>
auto build(std::string_view op, const TensorSpec& input, Make make) {
    try {
        const OneMathThread one_thread;
        return make();
    } catch (const dnnl::error& error) {
        throw InternalError(op, ": oneDNN cannot build it for input ", input, ": ", std::string_view(error.what()),
                            "; please report it, and build with FIRECAFFE_WITH_ONEDNN=OFF meanwhile");
    }
}

}  // namespace firecaffe::ops::onednn
