// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/onednn/engine.hpp"

#include <omp.h>

#include <string>

#include "firecaffe/core/text.hpp"
#include "firecaffe/ops/backend.hpp"

namespace firecaffe::ops {

std::vector<std::pair<std::string, std::string>> backend_versions() {
    const dnnl::version_t* version = dnnl::version();
    return {{"oneDNN", text(version->major, ".", version->minor, ".", version->patch)}};
}

}  // namespace firecaffe::ops

namespace firecaffe::ops::onednn {

OneMathThread::OneMathThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
}

OneMathThread::~OneMathThread() {
    if (before_ != 1) omp_set_num_threads(before_);
}

namespace {

Tag tag_of(const Layout& layout) {
    switch (layout.kind) {
        case Layout::Kind::plain:
            return Tag::nchw;
        case Layout::Kind::channels_last:
            return Tag::nhwc;
        case Layout::Kind::blocked:
            if (layout.channel_block == 8) return Tag::nChw8c;
            if (layout.channel_block == 16) return Tag::nChw16c;
            break;
    }
    throw ConfigError("layout ", layout, " has no name in oneDNN; use a channel block of 8 or 16");
}

}  // namespace

Desc describe(const TensorSpec& spec) {
    const Shape& s = spec.shape;
    if (s.rank() > 4) return {{s[0], s[1], s.count_from(2), 1}, kFloat, tag_of(spec.layout)};
    return {{s[0], s[1], s[2], s[3]}, kFloat, tag_of(spec.layout)};
}

Desc plain(const dnnl::memory::dims& dims) {
    constexpr std::array kTags{Tag::a, Tag::ab, Tag::abc, Tag::abcd, Tag::abcde};
    return {dims, kFloat, kTags.at(dims.size() - 1)};
}

Desc any_layout(const dnnl::memory::dims& dims) {
    return {dims, kFloat, Tag::any};
}

std::optional<Layout> layout_of(const Desc& desc) {
    for (const Layout layout : {Layout::plain(), Layout::blocked(16), Layout::blocked(8), Layout::channels_last()})
        if (desc == Desc(desc.dims(), kFloat, tag_of(layout))) return layout;
    return std::nullopt;
}

bool is_slow(const dnnl::primitive_desc_base& pd) {
    return std::string_view(pd.impl_info_str()).starts_with("ref");
}

dnnl::primitive_attr attributes() {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
}

void Context::reserve(const dnnl::primitive_desc_base& pd) {
    const std::size_t bytes = pd.scratchpad_desc().get_size();
    if (bytes > scratchpad.bytes()) scratchpad = Memory<Cpu>(bytes);
}

Step::Step(Context& context, const dnnl::primitive& primitive, const dnnl::primitive_desc_base& pd)
    : context_(&context), primitive_(primitive) {
    context.reserve(pd);
    operand(DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc());
}

Step& Step::operand(int argument, const Desc& desc, const void* data) {
    FIRECAFFE_INVARIANT(count_ < kMost);
    memories_[count_] = dnnl::memory(desc, context_->engine, const_cast<void*>(data));
    arguments_[count_] = {argument, memories_[count_].get()};
    ++count_;
    return *this;
}

Step& Step::point(int argument, const void* data) {
    for (std::size_t i = 0; i < count_; ++i)
        if (arguments_[i].arg == argument) {
            dnnl_memory_set_data_handle(arguments_[i].memory, const_cast<void*>(data));
            return *this;
        }
    throw InternalError("a oneDNN primitive has no argument ", argument, "; please report it");
}

void Step::run() {
    // The scratchpad may have grown since this step was made.
    point(DNNL_ARG_SCRATCHPAD, context_->scratchpad.data());
    // dnnl::primitive::execute would build a map and a vector for each call.
    const dnnl_status_t status =
        dnnl_primitive_execute(primitive_.get(), context_->stream.get(), static_cast<int>(count_), arguments_.data());
    if (status != dnnl_success)
        throw InternalError("a oneDNN primitive failed with status ", static_cast<int>(status),
                            "; please report it, and build with FIRECAFFE_WITH_ONEDNN=OFF meanwhile");
}

Step make_copy(Context& context, const Desc& from, const Desc& to) {
    const dnnl::reorder::primitive_desc pd(context.engine, from, context.engine, to, attributes());
    Step step(context, dnnl::reorder(pd), pd);
    step.operand(DNNL_ARG_FROM, from).operand(DNNL_ARG_TO, to);
    return step;
}

Bridge::Bridge(Context& context, const Desc& caller, const Desc& primitive, Direction direction) {
    if (caller == primitive) return;
    buffer_ = Memory<Cpu>(primitive.get_size());
    copy_ = direction == Direction::in ? make_copy(context, caller, primitive) : make_copy(context, primitive, caller);
}

const void* Bridge::bring(const void* from) {
    if (!copies()) return from;
    copy_.point(DNNL_ARG_FROM, from).point(DNNL_ARG_TO, buffer_.data()).run();
    return buffer_.data();
}

void Bridge::deliver(void* to) {
    if (copies()) copy_.point(DNNL_ARG_FROM, buffer_.data()).point(DNNL_ARG_TO, to).run();
}

}  // namespace firecaffe::ops::onednn
