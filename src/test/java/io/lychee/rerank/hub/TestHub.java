package io.lychee.rerank.hub;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.lychee.rerank.checkpoint.Safetensors;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.commons.codec.digest.DigestUtils;

/**
 * Serves one model, test/tiny, with the addresses of Hugging Face and of ModelScope. As there, files of weights are
 * redirected to another host, with a signature in the address.
 */
public final class TestHub implements AutoCloseable {

    public static final Path GOLDEN = Path.of("src/test/resources/golden/checkpoint");
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    static final String INDEX = "model.safetensors.index.json";
    static final String FIRST = "model-00001-of-00002.safetensors";
    static final String SECOND = "model-00002-of-00002.safetensors";
    static final String LISTING = "listing";
    private static final Pattern RANGE = Pattern.compile("bytes=(\\d+)-(\\d+)");
    private static final ObjectMapper JSON = new ObjectMapper();

    static {
        System.setProperty("sun.net.httpserver.nodelay", "true"); // else each answer waits 40 ms
    }

    /** A request's address and the headers that matter; null where absent. */
    record Request(
            boolean cdn, String name, String range, String ifRange, String authorization, String proxyAuthorization) {}

    /** Answers in place of the hub. */
    interface Fault {
        void answer(HttpExchange exchange) throws IOException;
    }

    final Map<String, byte[]> files = new TreeMap<>();
    final Map<String, String> etags = new ConcurrentHashMap<>();
    final List<Request> requests = new CopyOnWriteArrayList<>();
    private final Map<String, Deque<Fault>> faults = new ConcurrentHashMap<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final HttpServer hub = start(false);
    private final HttpServer cdn = start(true);
    String commit = COMMIT;
    /** More entries of the listing. */
    final Map<String, Long> listed = new LinkedHashMap<>();

    /** Serves the golden checkpoint in two shards, and files that nobody needs. */
    public static TestHub golden() throws IOException {
        TestHub hub = new TestHub();
        for (String name :
                List.of("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json")) {
            hub.files.put(name, Files.readAllBytes(GOLDEN.resolve(name)));
        }
        ObjectNode weightMap = JSON.createObjectNode();
        List<Safetensors.Tensor> tensors =
                Safetensors.read(List.of(GOLDEN.resolve("model.safetensors"))).tensors().values().stream()
                        .sorted(Comparator.comparing(Safetensors.Tensor::name))
                        .toList();
        List<String> shards = List.of(FIRST, SECOND);
        for (int shard = 0; shard < 2; shard++) {
            List<Safetensors.Tensor> part =
                    tensors.subList(shard * tensors.size() / 2, (shard + 1) * tensors.size() / 2);
            hub.files.put(shards.get(shard), safetensors(part));
            String file = shards.get(shard);
            part.forEach(tensor -> weightMap.put(tensor.name(), file));
        }
        hub.files.put(INDEX, JSON.writeValueAsBytes(JSON.createObjectNode().set("weight_map", weightMap)));
        hub.files.put("README.md", "# tiny".getBytes(StandardCharsets.UTF_8));
        hub.files.put("pytorch_model.bin", new byte[10]);
        hub.files.put("onnx/model.onnx", new byte[10]);
        return hub;
    }

    private static byte[] safetensors(List<Safetensors.Tensor> tensors) throws IOException {
        ObjectNode header = JSON.createObjectNode();
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        for (Safetensors.Tensor tensor : tensors) {
            byte[] bytes = new byte[Math.toIntExact(tensor.bytes())];
            tensor.rows(0, Math.toIntExact(tensor.shape().get(0))).map().get(bytes);
            ObjectNode entry =
                    header.putObject(tensor.name()).put("dtype", tensor.type().name());
            tensor.shape().forEach(entry.putArray("shape")::add);
            entry.putArray("data_offsets").add(data.size()).add(data.size() + bytes.length);
            data.write(bytes);
        }
        byte[] text = JSON.writeValueAsBytes(header);
        text = Arrays.copyOf(text, (text.length + 7) / 8 * 8);
        for (int i = text.length - 1; text[i] == 0; i--) {
            text[i] = ' ';
        }
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        file.write(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(text.length)
                .array());
        file.write(text);
        data.writeTo(file);
        return file.toByteArray();
    }

    private HttpServer start(boolean isCdn) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.setExecutor(threads);
            server.createContext("/", exchange -> {
                try (exchange) {
                    exchange.getRequestBody().close(); // unread, it would close the connection
                    answer(exchange, isCdn);
                }
            });
            server.start();
            return server;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    public String url() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    String host() {
        return "127.0.0.1:" + hub.getAddress().getPort();
    }

    /** The next request for this file, or the listing, gets this answer. Faults of one file queue up. */
    TestHub next(String name, Fault fault) {
        faults.computeIfAbsent(name, key -> new ConcurrentLinkedDeque<>()).add(fault);
        return this;
    }

    /** Sends this many bytes of the answer, then closes the connection. */
    Fault cut(String name, int bytes) {
        return exchange -> send(exchange, name, bytes, files.get(name));
    }

    /** Sends other bytes than listed. */
    Fault corrupt(String name) {
        byte[] other = files.get(name).clone();
        other[other.length / 2] ^= 1;
        return exchange -> send(exchange, name, other.length, other);
    }

    static Fault status(int status, String... headers) {
        return exchange -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().add(headers[i], headers[i + 1]);
            }
            exchange.sendResponseHeaders(status, -1);
        };
    }

    List<Request> requests(String name) {
        return requests.stream().filter(request -> request.name.equals(name)).toList();
    }

    private void answer(HttpExchange exchange, boolean isCdn) throws IOException {
        String path = exchange.getRequestURI().getPath();
        Map<String, String> query = query(exchange.getRequestURI().getQuery());
        boolean listing = path.equals("/api/models/test/tiny/revision/main")
                || path.equals("/api/models/test/tiny/revision/" + commit)
                || path.equals("/api/v1/models/test/tiny/repo/files");
        String name = listing ? LISTING : query.getOrDefault("FilePath", path.substring(path.lastIndexOf('/') + 1));
        requests.add(new Request(
                isCdn,
                name,
                header(exchange, "Range"),
                header(exchange, "If-Range"),
                header(exchange, "Authorization"),
                header(exchange, "Proxy-Authorization")));
        boolean redirected = name.endsWith(".safetensors") && !isCdn;
        Fault fault = redirected
                ? null
                : faults.getOrDefault(name, new ConcurrentLinkedDeque<>()).poll();
        if (fault != null) {
            fault.answer(exchange);
        } else if (listing) {
            byte[] body = JSON.writeValueAsBytes(path.startsWith("/api/v1") ? modelScope() : huggingFace());
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        } else if (!files.containsKey(name)) {
            exchange.sendResponseHeaders(404, -1);
        } else if (redirected) {
            exchange.getResponseHeaders()
                    .add(
                            "Location",
                            "http://127.0.0.1:" + cdn.getAddress().getPort() + "/" + name + "?Signature=SIGNATURE");
            exchange.sendResponseHeaders(302, -1);
        } else {
            send(exchange, name, Integer.MAX_VALUE, files.get(name));
        }
    }

    private static String header(HttpExchange exchange, String name) {
        return exchange.getRequestHeaders().getFirst(name);
    }

    private static Map<String, String> query(String query) {
        Map<String, String> values = new TreeMap<>();
        if (query != null) {
            for (String pair : query.split("&", -1)) {
                values.put(pair.split("=", 2)[0], pair.split("=", 2)[1]);
            }
        }
        return values;
    }

    /** Answers with a range, or with all where If-Range names another ETag; sends at most so many bytes. */
    private void send(HttpExchange exchange, String name, int most, byte[] file) throws IOException {
        String etag = "\"" + etags.getOrDefault(name, DigestUtils.sha256Hex(files.get(name))) + "\"";
        exchange.getResponseHeaders().add("ETag", etag);
        Matcher range = RANGE.matcher(header(exchange, "Range") == null ? "" : header(exchange, "Range"));
        String condition = header(exchange, "If-Range");
        int from = 0;
        int to = file.length;
        boolean part = range.matches() && (condition == null || condition.equals(etag));
        if (part) {
            from = Integer.parseInt(range.group(1));
            to = Integer.parseInt(range.group(2)) + 1;
            exchange.getResponseHeaders().add("Content-Range", "bytes " + from + "-" + (to - 1) + "/" + file.length);
        }
        exchange.sendResponseHeaders(part ? 206 : 200, to - from);
        exchange.getResponseBody().write(file, from, Math.min(most, to - from));
        exchange.getResponseBody().flush();
    }

    private ObjectNode huggingFace() {
        ObjectNode model = JSON.createObjectNode().put("id", "test/tiny").put("sha", commit);
        ArrayNode siblings = model.putArray("siblings");
        files.forEach((name, bytes) -> {
            ObjectNode file = siblings.addObject().put("rfilename", name).put("size", bytes.length);
            file.put("blobId", gitHash(bytes));
            if (name.endsWith(".safetensors")) {
                file.putObject("lfs")
                        .put("sha256", DigestUtils.sha256Hex(bytes))
                        .put("size", bytes.length);
            }
        });
        listed.forEach((name, size) ->
                siblings.addObject().put("rfilename", name).put("size", size).put("blobId", gitHash(new byte[0])));
        return model;
    }

    static String gitHash(byte[] bytes) {
        ByteArrayOutputStream blob = new ByteArrayOutputStream();
        blob.writeBytes(("blob " + bytes.length + "\0").getBytes(StandardCharsets.US_ASCII));
        blob.writeBytes(bytes);
        return DigestUtils.sha1Hex(blob.toByteArray());
    }

    private ObjectNode modelScope() {
        ObjectNode answer = JSON.createObjectNode().put("Code", 200).put("Success", true);
        ArrayNode list = answer.putObject("Data").putArray("Files");
        list.addObject().put("Type", "tree").put("Path", "onnx").put("Size", 0);
        files.forEach((name, bytes) -> list.addObject()
                .put("Type", "blob")
                .put("Path", name)
                .put("Size", bytes.length)
                .put("Sha256", DigestUtils.sha256Hex(bytes)));
        return answer;
    }

    @Override
    public void close() {
        hub.stop(0);
        cdn.stop(0);
        threads.shutdownNow();
    }
}
