// SPDX-License-Identifier: Apache-2.0
// Which parameters a net has, which layers share them, and where they lie in the arena.
#include <algorithm>
#include <map>
#include <set>

#include "device/instances.hpp"
#include "net/net_state.hpp"

namespace firecaffe {

namespace {

template <class T, class Device>
class ParameterPlacer {
  public:
    using State = typename Net<T, Device>::State;
    using Node = NetNode<T, Device>;
    explicit ParameterPlacer(State& state) : state_(state) {}

    void run() {
        for (Node& node : state_.nodes) {
            check_count(node);
            for (std::size_t i = 0; i < node.requests.size(); ++i) add_use(node, i);
        }
        const ArenaLayout* shared = state_.options.layout;
        if (shared == nullptr)
            add_to_layout();
        else
            state_.layout = *shared;
        for (Node& node : state_.nodes)
            for (std::size_t i = 0; i < node.requests.size(); ++i) {
                const ParameterInfo& info = place(node, i);
                node.parameters.push_back(info);
                node.parameter_numbers.push_back(static_cast<std::size_t>(&info - state_.layout.parameters().data()));
            }
        mark_ready_prefixes();
    }

  private:
    struct Use {
        Node* node;
        std::size_t index;  ///< among the node's requests
        const ParameterRequest& request() const { return node->requests[index]; }
    };

    static ParamOptions param(const Node& node, std::size_t i) {
        return node.spec != nullptr && i < node.spec->param.size() ? node.spec->param[i] : ParamOptions{};
    }
    static std::string name(const Node& node, std::size_t i) {
        const std::string given = param(node, i).name;
        return given.empty() ? node.name + "." + node.requests[i].name : given;
    }

    static void check_count(const Node& node) {
        if (node.spec != nullptr && node.spec->param.size() > node.requests.size())
            throw ConfigError(node.place(), ": param has ", node.spec->param.size(), " entries and the layer ",
                              node.requests.size(), " parameters; remove some");
    }

    void add_use(Node& node, std::size_t i) {
        const ParameterRequest& request = node.requests[i];
        const bool stated = node.spec != nullptr && i < node.spec->param.size();
        if (request.moving_average_fraction.has_value() && stated && param(node, i).lr_mult != 0.0)
            throw ConfigError(node.place(), ": lr_mult of '", request.name, "' is ", param(node, i).lr_mult,
                              ", but it is measured and not learned; write 0, or leave param out");
        const auto [first, is_new] = first_uses_.emplace(name(node, i), Use{&node, i});
        node.is_first_use.push_back(is_new);
        if (node.runs_backward) updated_.insert(first->first);
        if (!is_new) check_agreement(first->first, first->second, {&node, i});
    }

    /// Layers that share a parameter must mean the same one.
    static void check_agreement(const std::string& name, const Use& first, const Use& other) {
        const auto refuse = [&]<class Error>(std::type_identity<Error>, const char* what, const auto& a, const auto& b,
                                             const char* cure) {
            throw Error(other.node->place(), ": parameter '", name, "' is shared with layer '", first.node->name,
                        "', but its ", what, " is ", b, " here and ", a, " there; ", cure);
        };
        const ParameterRequest &a = first.request(), &b = other.request();
        if (a.shape != b.shape)
            refuse(std::type_identity<ShapeError>(), "shape", a.shape, b.shape,
                   "give the layers the same sizes, or the parameters different names");
        const ParamOptions p = param(*first.node, first.index), q = param(*other.node, other.index);
        constexpr std::type_identity<ConfigError> kConfig;
        constexpr const char* kCure = "write the same in both layers";
        if (p.lr_mult != q.lr_mult) refuse(kConfig, "lr_mult", p.lr_mult, q.lr_mult, kCure);
        if (p.decay_mult != q.decay_mult) refuse(kConfig, "decay_mult", p.decay_mult, q.decay_mult, kCure);
        const auto fraction = [](const ParameterRequest& r) {
            return r.moving_average_fraction.has_value() ? std::to_string(*r.moving_average_fraction) : "none";
        };
        if (a.moving_average_fraction != b.moving_average_fraction)
            refuse(kConfig, "moving_average_fraction", fraction(a), fraction(b), kCure);
    }

    /// In backward order. A shared parameter lies where the backward pass adds the last part to its gradient: at the
    /// first of its layers. Nobody measures a statistic of which no layer runs backward; it is kept whole then.
    void add_to_layout() {
        for (auto node = state_.nodes.rbegin(); node != state_.nodes.rend(); ++node)
            for (std::size_t i = 0; i < node->requests.size(); ++i) {
                if (!node->is_first_use[i]) continue;
                const ParamOptions mult = param(*node, i);
                const ParameterRequest& request = node->requests[i];
                const std::string full_name = name(*node, i);
                std::optional<double> fraction = request.moving_average_fraction;
                if (fraction.has_value() && !updated_.contains(full_name)) fraction = 1.0;
                state_.layout.add(full_name, request.shape, mult.lr_mult, mult.decay_mult, fraction);
            }
    }

    const ParameterInfo& place(const Node& node, std::size_t i) const {
        const std::string full_name = name(node, i);
        const ParameterInfo* info = state_.layout.find(full_name);
        if (info == nullptr)
            throw ConfigError(node.place(), ": the net it shares parameters with has no '", full_name, "'");
        if (info->shape != node.requests[i].shape)
            throw ShapeError(node.place(), ": parameter '", full_name, "' is ", node.requests[i].shape, " here and ",
                             info->shape, " in the net it shares parameters with");
        const bool measured = node.requests[i].moving_average_fraction.has_value();
        if (info->is_statistic() != measured)
            throw ConfigError(node.place(), ": parameter '", full_name, "' is ", measured ? "measured" : "learned",
                              " here and ", measured ? "learned" : "measured",
                              " in the net it shares parameters with; give one of them another name");
        return *info;
    }

    /// After a layer's backward pass everything is final before the first parameter of the layers that are still to
    /// run, the gap in front of it included. (A layout that is shared may have another order than this net.)
    void mark_ready_prefixes() {
        std::size_t prefix = state_.layout.size();
        for (Node& node : state_.nodes) {
            node.ready_prefix = prefix;
            if (node.leader >= 0) continue;
            state_.for_each_member(node, [&](const Node& member) {
                for (const ParameterInfo& p : member.parameters) prefix = std::min(prefix, p.offset);
            });
        }
    }

    State& state_;
    std::map<std::string, Use> first_uses_;
    std::set<std::string> updated_;  ///< parameters of which a layer runs backward
};

}  // namespace

template <class T, class Device>
void place_parameters(typename Net<T, Device>::State& state) {
    ParameterPlacer<T, Device>(state).run();
}

#define FIRECAFFE_INSTANTIATE(T, Device) template void place_parameters<T, Device>(Net<T, Device>::State&);
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
