package io.lychee.rerank.image;

import io.lychee.rerank.config.ImageRules;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Set;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** Splits a PNG into the chunks that shape its pixels and its orientation. No other chunk is read or inflated. */
final class PngHeader {

    private static final String TRANSPARENT = "tRNS";
    private static final Set<String> SHAPING = Set.of("IHDR", "PLTE", TRANSPARENT, "IDAT", "IEND");
    private static final Set<String> TEXTS = Set.of("tEXt", "zTXt", "iTXt");
    private static final int MAX_KEY = 79;
    /** Pillow's bound on one chunk's inflated text. */
    private static final int MAX_TEXT = 1 << 20;

    private PngHeader() {}

    static ImageHeader of(byte[] data, ImageRules rules) {
        ByteBuffer pixels = ByteBuffer.allocate(data.length).put(data, 0, 8);
        ByteBuffer file = ByteBuffer.wrap(data);
        ByteBuffer exif = Bytes.NONE;
        // of several texts the last counts, so one is inflated
        Text rawProfile = Text.NONE;
        Text xmp = Text.NONE;
        for (int at = 8; at + 8 <= data.length; ) {
            int length = file.getInt(at);
            String type = Bytes.text(file.slice(at + 4, 4));
            boolean whole = length >= 0 && length <= data.length - at - 8;
            int end = whole ? Math.min(data.length, at + 12 + length) : data.length;
            // pixels cut short are the decoder's to refuse; any other such chunk is left out
            boolean opaque = type.equals(TRANSPARENT) && rules == ImageRules.PUBLISHED;
            if (SHAPING.contains(type) && !opaque && (whole || type.equals("IDAT"))) {
                pixels.put(data, at, end - at);
            } else if (whole && type.equals("eXIf")) {
                exif = file.slice(at + 8, length);
            } else if (whole && TEXTS.contains(type)) {
                Text text = new Text(type, file.slice(at + 8, length));
                switch (text.key()) {
                    case "exif" -> exif = type.equals("tEXt") ? text.value() : exif;
                    case "Raw profile type exif" -> rawProfile = text;
                    case "XML:com.adobe.xmp" -> xmp = text;
                    default -> {}
                }
            }
            at = type.equals("IEND") ? data.length : end;
        }
        if (!exif.hasRemaining()) {
            exif = fromHex(rawProfile.value());
        }
        return new ImageHeader(
                pixels.flip(),
                null,
                Orientation.of(exif, xmp.value()),
                (reader, deadline) -> RgbConverter.toRgb(reader.read(0), rules, deadline));
    }

    /** Decodes lines of hexadecimal digits after three of heading; empty for anything else. */
    private static ByteBuffer fromHex(ByteBuffer text) {
        String[] lines =
                text.limit() > MAX_TEXT ? new String[0] : Bytes.text(text).split("\n", 4);
        try {
            return lines.length < 4
                    ? Bytes.NONE
                    : ByteBuffer.wrap(HexFormat.of().parseHex(lines[3].replaceAll("\\s", "")));
        } catch (IllegalArgumentException e) {
            return Bytes.NONE;
        }
    }

    /** Reads one text chunk: a key, a zero and the value, which is empty when broken or longer than the bound. */
    private record Text(String type, ByteBuffer body) {

        static final Text NONE = new Text("tEXt", Bytes.NONE);

        String key() {
            int end = zero(0);
            return end > MAX_KEY ? "" : Bytes.text(body.slice(0, end));
        }

        ByteBuffer value() {
            int at = zero(0) + 1;
            return switch (type) {
                case "tEXt" -> tail(at);
                case "zTXt" -> inflate(tail(at + 1));
                default -> {
                    boolean deflated = at < body.limit() && body.get(at) != 0;
                    ByteBuffer text = tail(zero(zero(at + 2) + 1) + 1);
                    yield deflated ? inflate(text) : text;
                }
            };
        }

        private int zero(int from) {
            int at = Math.min(from, body.limit());
            while (at < body.limit() && body.get(at) != 0) {
                at++;
            }
            return at;
        }

        private ByteBuffer tail(int from) {
            return from >= body.limit() ? Bytes.NONE : body.slice(from, body.limit() - from);
        }

        private static ByteBuffer inflate(ByteBuffer deflated) {
            Inflater inflater = new Inflater();
            try {
                inflater.setInput(deflated);
                byte[] text = new byte[MAX_TEXT];
                int length = inflater.inflate(text);
                boolean complete = length < MAX_TEXT || inflater.finished();
                return complete ? ByteBuffer.wrap(text, 0, length).slice() : Bytes.NONE;
            } catch (DataFormatException e) {
                return Bytes.NONE;
            } finally {
                inflater.end();
            }
        }
    }
}
