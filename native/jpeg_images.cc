// JPEGs decoded and resized in one go, for input pipelines: a row is resized while it is in cache, and a thread makes
// several images without Python.
//
// The codec is libjpeg-turbo as the system has it, loaded when it is first needed. Where there is none, or an image is not
// a plain one, the caller decodes in its own way.
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "resizing.h"

#if __has_include(<jpeglib.h>) && __has_include(<dlfcn.h>)
#define PENSTOCK_HAS_JPEG 1
#include <dlfcn.h>
#include <jpeglib.h>
#endif

#ifdef PENSTOCK_HAS_JPEG
namespace penstock {
namespace {

// The functions of the library that this file calls.
struct Codec {
  Codec() {
    void* library = dlopen("libjpeg.so.62", RTLD_NOW | RTLD_LOCAL);
    // What it was before libjpeg-turbo has no such function, and is slow.
    found = library && dlsym(library, "jpeg_skip_scanlines") && find(library, "jpeg_std_error", std_error) &&
            find(library, "jpeg_CreateDecompress", create) && find(library, "jpeg_mem_src", from_memory) &&
            find(library, "jpeg_read_header", read_header) && find(library, "jpeg_start_decompress", start) &&
            find(library, "jpeg_read_scanlines", read_rows) && find(library, "jpeg_abort_decompress", abort) &&
            find(library, "jpeg_destroy_decompress", destroy);
  }

  template <typename Function>
  static bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    return function != nullptr;
  }

  bool found;
  decltype(&jpeg_std_error) std_error;
  decltype(&jpeg_CreateDecompress) create;
  decltype(&jpeg_mem_src) from_memory;
  decltype(&jpeg_read_header) read_header;
  decltype(&jpeg_start_decompress) start;
  decltype(&jpeg_read_scanlines) read_rows;
  decltype(&jpeg_abort_decompress) abort;
  decltype(&jpeg_destroy_decompress) destroy;
};

const Codec& codec() {
  static const Codec loaded;
  return loaded;
}

// How a JPEG is decoded.
struct Decoding {
  bool fast, fancy;  // a quick DCT; colours between pixels
};

// A decoder for one image after the other. libjpeg ends a function that cannot go on by a jump, so that no object with a
// destructor is made between `setjmp` and such a function.
class Decoder final : public RowReader {
 public:
  Decoder() {
    handle_.err = codec().std_error(&errors_);
    errors_.error_exit = [](j_common_ptr handle) { std::longjmp(static_cast<Decoder*>(handle->client_data)->outside_, 1); };
    errors_.output_message = [](j_common_ptr) {};
    handle_.client_data = this;
    created_ = !setjmp(outside_) && (codec().create(&handle_, JPEG_LIB_VERSION, sizeof handle_), true);
    handle_.client_data = this;
  }

  ~Decoder() {
    if (created_) codec().destroy(&handle_);
  }

  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Decodes and resizes; false where an image is damaged, or has another size.
  bool make(const uint8_t* jpeg, long size, const Decoding& how, const Resizer& resizer, float* out) {
    good_ = created_ && begin(jpeg, size, how, sizes_of(resizer));
    if (good_) resize_as_read(resizer, *this, out);
    while (good_ && handle_.output_scanline < handle_.output_height) read_rows();
    const bool whole = good_ && errors_.num_warnings == 0;
    if (created_ && !setjmp(outside_)) codec().abort(&handle_);
    return whole;
  }

  const uint8_t* row(long index) override {
    while (good_ && index >= static_cast<long>(handle_.output_scanline)) read_rows();
    return good_ ? rows_[index - first_ + 1] : rows_[0];
  }

 private:
  bool begin(const uint8_t* jpeg, long size, const Decoding& how, const ResizerSizes& wanted) {
    const long stride = (wanted.width * wanted.channels + kCacheLine - 1) / kCacheLine * kCacheLine;
    pixels_.resize((kRows + 1) * stride + kCacheLine);
    uint8_t* first = pixels_.data() + -reinterpret_cast<uintptr_t>(pixels_.data()) % kCacheLine + kUnaligned;
    for (int i = 0; i <= kRows; ++i) rows_[i] = first + i * stride;
    read_ = 0;
    data_.resize(size + kBehind);
    std::memcpy(data_.data(), jpeg, size);
    std::memset(data_.data() + size, 0, kBehind);
    if (setjmp(outside_)) return false;
    codec().from_memory(&handle_, data_.data(), data_.size());
    errors_.num_warnings = 0;
    if (codec().read_header(&handle_, TRUE) != JPEG_HEADER_OK || handle_.image_height != wanted.height ||
        handle_.image_width != wanted.width)
      return false;
    handle_.out_color_space = wanted.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    handle_.dct_method = how.fast ? JDCT_IFAST : JDCT_ISLOW;
    handle_.do_fancy_upsampling = how.fancy;
    codec().start(&handle_);
    return handle_.output_components == wanted.channels;
  }

  // Reads the next rows, as many as there is room for and the codec has at once; the last one before them stays.
  void read_rows() {
    std::swap(rows_[0], rows_[read_]);
    first_ = handle_.output_scanline;
    if (setjmp(outside_))
      good_ = false;
    else
      for (int count = 0; count < kRows && handle_.output_scanline < handle_.output_height;)
        count += codec().read_rows(&handle_, rows_ + 1 + count, kRows - count);
    read_ = handle_.output_scanline - first_;
  }

  static constexpr int kRows = 4;  // few, so that results go to memory while others are computed
  static constexpr long kCacheLine = 64;
  // libjpeg-turbo writes rows that are aligned past the caches, from which they are read at once here.
  static constexpr long kUnaligned = 8;
  // In the last 512 bytes for each of up to 10 blocks that belong together, libjpeg-turbo looks for the end of the data all
  // the time. With so many bytes behind it, it does not; it stops at the marker that a whole JPEG ends with.
  static constexpr long kBehind = 10 * 512;

  jpeg_decompress_struct handle_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf outside_;
  std::vector<uint8_t> data_, pixels_;
  JSAMPROW rows_[1 + kRows];     // one row, and those behind it that were read together
  long first_ = 0, read_ = 0;  // the first of these, and how many they are
  bool created_, good_ = false;
};

}  // namespace
}  // namespace penstock
#endif

// Whether the system has the codec.
extern "C" bool penstock_has_jpeg_codec() {
#ifdef PENSTOCK_HAS_JPEG
  return penstock::codec().found;
#else
  return false;
#endif
}

// Makes `count` images, one behind the other in `out`, each from a whole JPEG by a resizer for its size; all resizers make
// images of one size. Where there is no resizer no image is made; `made` gets whether one was.
extern "C" void penstock_make_images(const uint8_t* const* jpegs, const int64_t* sizes,
                                     const penstock::Resizer* const* resizers, long count, long numbers, bool fast,
                                     bool fancy, float* out, bool* made) {
#ifdef PENSTOCK_HAS_JPEG
  thread_local penstock::Decoder decoder;
  for (long i = 0; i < count; ++i)
    made[i] = resizers[i] && decoder.make(jpegs[i], sizes[i], {fast, fancy}, *resizers[i], out + i * numbers);
#else
  for (long i = 0; i < count; ++i) made[i] = false;
#endif
}
