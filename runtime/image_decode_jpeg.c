/* JPEG by libjpeg. It reports a file that is cut off or corrupt as a warning and makes up the rest of the image: here
 * those warnings are errors. */
#include "image_decode_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* A progressive file may hold any number of scans of the whole image, in a few bytes each. */
enum { MAX_SCANS = 100 };

typedef struct JpegReader {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr handler;
  struct jpeg_progress_mgr progress;
  jmp_buf leave;
  const EncodedImage *encoded;
  simba_status status;
} JpegReader;

static JpegReader *reader_of(j_common_ptr jpeg) { return jpeg->client_data; }

_Noreturn static void on_error(j_common_ptr jpeg) {
  JpegReader *reader = reader_of(jpeg);
  char found[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, found);
  size_t left = reader->jpeg.src ? reader->jpeg.src->bytes_in_buffer : 0;
  size_t at = left < reader->encoded->size ? reader->encoded->size - left : reader->encoded->size;
  if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
    reader->status = error_set_memory(reader->encoded->error, reader->encoded->path);
  else if (jpeg->err->msg_code == JWRN_JPEG_EOF || jpeg->err->msg_code == JERR_INPUT_EOF)
    reader->status = image_fail(reader->encoded, reader->encoded->size, "JPEG",
                                "the file ends in the midst of the image: it is cut off");
  else
    reader->status = image_fail(reader->encoded, at, "JPEG", found);
  longjmp(reader->leave, 1);
}

/* Level -1 is a warning, others trace. */
static void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA: /* what cameras leave between segments: pixels are whole */
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
      return;
    default:
      on_error(jpeg);
  }
}

static void on_output(j_common_ptr jpeg) { (void)jpeg; }

static void on_progress(j_common_ptr jpeg) {
  JpegReader *reader = reader_of(jpeg);
  if (reader->jpeg.input_scan_number <= MAX_SCANS) return;
  reader->status = image_fail(reader->encoded, reader->encoded->size - reader->jpeg.src->bytes_in_buffer, "JPEG",
                              "more than 100 scans");
  longjmp(reader->leave, 1);
}

/* Adobe writes CMYK inverted: 255 is no ink. Naive colours, as other readers have them. */
static void row_from_cmyk(const uint8_t *cmyk, JDIMENSION width, bool inverted, uint8_t *rgb) {
  for (JDIMENSION x = 0; x < width; x++)
    for (int c = 0; c < 3; c++) {
      int colour = cmyk[4 * x + (JDIMENSION)c], black = cmyk[4 * x + 3];
      if (!inverted) {
        colour = 255 - colour;
        black = 255 - black;
      }
      rgb[3 * x + (JDIMENSION)c] = (uint8_t)((colour * black + 127) / 255);
    }
}

static void read_rows(JpegReader *reader) {
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  const Image *image = reader->encoded->image;
  size_t stride = (size_t)image->width * (size_t)image->channels;
  bool cmyk = jpeg->out_color_space == JCS_CMYK;
  JSAMPARRAY ink = NULL; /* [1, 4 * width] */
  if (cmyk) ink = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, 4 * jpeg->output_width, 1);
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = image->pixels + jpeg->output_scanline * stride;
    jpeg_read_scanlines(jpeg, cmyk ? ink : &row, 1);
    if (cmyk) row_from_cmyk(ink[0], jpeg->output_width, jpeg->saw_Adobe_marker, row);
  }
}

static void read_image(JpegReader *reader) {
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  jpeg_create_decompress(jpeg);
  reader->progress.progress_monitor = on_progress;
  jpeg->progress = &reader->progress;
  jpeg_mem_src(jpeg, reader->encoded->bytes, reader->encoded->size);
  jpeg_read_header(jpeg, TRUE);
  if (jpeg->jpeg_color_space == JCS_GRAYSCALE)
    jpeg->out_color_space = JCS_GRAYSCALE;
  else
    jpeg->out_color_space =
        jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK ? JCS_CMYK : JCS_RGB;
  int32_t channels = jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3;
  reader->status = image_begin(reader->encoded, jpeg->image_height, jpeg->image_width, channels);
  if (reader->status || reader->encoded->header_only) return;
  jpeg_start_decompress(jpeg);
  read_rows(reader);
  jpeg_finish_decompress(jpeg);
}

simba_status image_decode_jpeg(const EncodedImage *encoded) {
  JpegReader reader = {.encoded = encoded};
  reader.jpeg.err = jpeg_std_error(&reader.handler);
  reader.jpeg.client_data = &reader;
  reader.handler.error_exit = on_error;
  reader.handler.emit_message = on_message;
  reader.handler.output_message = on_output;
  if (setjmp(reader.leave) == 0) read_image(&reader);
  jpeg_destroy_decompress(&reader.jpeg);
  return reader.status;
}
