// Scores a file of inputs with a model that `jetnae export --onnx` wrote, one score per line on standard output.
//
//     score MODEL.onnx INPUTS.f32
//
// INPUTS.f32 holds 32-bit floating-point numbers, little-endian, one input after the other: images or regions row by
// row, features in the order of the metadata entry `jetnae.features`, objects in that of `jetnae.values`. What goes into
// them is in the other entries.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

namespace {

constexpr int64_t inputs_per_run = 64;
constexpr int64_t largest_input = 1 << 24;

void connect() {
  const OrtApi* api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (api == nullptr) {
    throw std::runtime_error("the ONNX Runtime library, version " + std::string(OrtGetApiBase()->GetVersionString()) +
                             ", is older than the headers this was compiled with");
  }
  Ort::InitApi(api);
}

class Scorer {
 public:
  explicit Scorer(const char* path) : session_(env_, path, single_thread()) {
    if (entry("model").empty() || session_.GetInputCount() != 1 || session_.GetOutputCount() != 1) {
      throw std::runtime_error(std::string(path) + ": not a model that jetnae exported");
    }
    input_name_ = entry("input_name");
    output_name_ = entry("output_name");
    const Ort::TypeInfo type = session_.GetInputTypeInfo(0);
    const auto tensor = type.GetTensorTypeAndShapeInfo();
    shape_ = tensor.GetShape();
    if (tensor.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || shape_.size() < 2) {
      throw std::runtime_error(std::string(path) + ": the input is not a batch of 32-bit floating-point numbers");
    }
    for (size_t axis = 1; axis < shape_.size(); ++axis) {
      if (shape_[axis] < 1 || shape_[axis] > largest_input / n_values_) {
        throw std::runtime_error(std::string(path) + ": the shape of the input is not fixed, or absurd");
      }
      n_values_ *= shape_[axis];
    }
  }

  // An entry of the metadata, as "model", "validity", "preprocessing"; empty where there is none.
  std::string entry(const std::string& name) const {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto text = session_.GetModelMetadata().LookupCustomMetadataMapAllocated(("jetnae." + name).c_str(), allocator);
    return text ? text.get() : "";
  }

  int64_t n_values() const { return n_values_; }

  std::vector<float> score(std::vector<float>& inputs) {
    std::vector<int64_t> shape = shape_;
    shape[0] = static_cast<int64_t>(inputs.size()) / n_values_;
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const auto tensor =
        Ort::Value::CreateTensor<float>(memory, inputs.data(), inputs.size(), shape.data(), shape.size());
    const char* input = input_name_.c_str();
    const char* output = output_name_.c_str();
    const auto found = session_.Run(Ort::RunOptions{nullptr}, &input, &tensor, 1, &output, 1);
    const float* scores = found.front().GetTensorData<float>();
    return {scores, scores + shape[0]};
  }

 private:
  static Ort::SessionOptions single_thread() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    options.SetInterOpNumThreads(1);
    return options;
  }

  Ort::Env env_{ORT_LOGGING_LEVEL_ERROR, "jetnae"};
  Ort::Session session_;
  std::string input_name_, output_name_;
  std::vector<int64_t> shape_;
  int64_t n_values_ = 1;
};

void score_file(Scorer& scorer, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error(path + ": cannot be read");
  }
  const size_t n_values = static_cast<size_t>(scorer.n_values());
  std::vector<float> inputs;
  long long n_scores = 0;
  while (file) {
    inputs.resize(inputs_per_run * n_values);
    file.read(reinterpret_cast<char*>(inputs.data()), static_cast<std::streamsize>(inputs.size() * sizeof(float)));
    const size_t n_bytes = static_cast<size_t>(file.gcount());
    if (n_bytes == 0) {
      break;
    }
    if (n_bytes % (n_values * sizeof(float)) != 0) {
      throw std::runtime_error(path + ": its size is not a multiple of " + std::to_string(n_values) +
                               " numbers of 4 bytes, which one input has");
    }
    inputs.resize(n_bytes / sizeof(float));
    for (const float score : scorer.score(inputs)) {
      std::printf("%.9g\n", static_cast<double>(score));
      ++n_scores;
    }
  }
  if (file.bad() || n_scores == 0) {
    throw std::runtime_error(path + ": holds no inputs, or cannot be read to its end");
  }
  std::fprintf(stderr, "%lld scores\n", n_scores);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: score MODEL.onnx INPUTS.f32\n");
    return 2;
  }
  try {
    connect();
    Scorer scorer(argv[1]);
    std::fprintf(stderr, "model %s (%.12s), input: %s, units: %s, valid for %s\n", scorer.entry("model").c_str(),
                 scorer.entry("model_sha256").c_str(), scorer.entry("input_description").c_str(),
                 scorer.entry("input_units").c_str(), scorer.entry("validity").c_str());
    score_file(scorer, argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  return std::fflush(stdout) == 0 ? 0 : 2;
}
