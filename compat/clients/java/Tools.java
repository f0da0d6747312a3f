// Kafka's command line tools in one JVM: a call a line on standard input, its outcome a line on standard output.
//
//   {"class": "org.apache.kafka.tools.TopicCommand", "arguments": ["--list"], "stdin": "text"}
//   {"code": 0, "out": "text", "err": "text"}
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.utils.Exit;
import org.slf4j.LoggerFactory;

public final class Tools {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Capture OUT = new Capture();
    private static final Capture ERR = new Capture();

    public static void main(String[] args) throws Exception {
        // Logging takes hold of the process's own standard error before the calls get theirs.
        LoggerFactory.getLogger(Tools.class);
        PrintStream answers = System.out;
        BufferedReader calls = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        System.setOut(new PrintStream(OUT, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(ERR, true, StandardCharsets.UTF_8));
        for (String line = calls.readLine(); line != null; line = calls.readLine()) {
            answers.println(JSON.writeValueAsString(call(JSON.readTree(line))));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static Map<String, Object> call(JsonNode call) throws IOException {
        List<String> arguments = new ArrayList<>();
        call.get("arguments").forEach(argument -> arguments.add(argument.asText()));
        System.setIn(new ByteArrayInputStream(call.get("stdin").asText().getBytes(StandardCharsets.UTF_8)));
        OUT.open();
        ERR.open();
        Ending ending = new Ending();
        Exit.setExitProcedure((code, message) -> ending.now(code));
        Exit.setHaltProcedure((code, message) -> ending.now(code));
        Exit.setShutdownHookAdder((name, hook) -> ending.hooks.add(hook));
        Thread thread = Thread.currentThread();
        ClassLoader ordinary = thread.getContextClassLoader();
        try (Fresh fresh = new Fresh(ordinary)) {
            thread.setContextClassLoader(fresh);
            run(fresh, call.get("class").asText(), arguments.toArray(new String[0]), ending);
        } finally {
            thread.setContextClassLoader(ordinary);
        }
        return Map.of("code", ending.code, "out", OUT.text(), "err", ERR.text());
    }

    private static void run(ClassLoader loader, String name, String[] arguments, Ending ending) {
        Throwable thrown;
        try {
            loader.loadClass(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
            ending.once(0);
            return;
        } catch (InvocationTargetException wrapped) {
            thrown = wrapped.getCause();
        } catch (ReflectiveOperationException | LinkageError problem) {
            thrown = problem;
        }
        if (thrown instanceof Ended) {
            return;
        }
        // As a JVM ends by itself when main throws.
        System.err.print("Exception in thread \"main\" ");
        thrown.printStackTrace();
        ending.once(1);
    }

    /** How one call ends: its first exit code counts, and nothing that it prints after that is seen. */
    private static final class Ending {
        private final List<Runnable> hooks = new ArrayList<>();
        private Integer code;

        synchronized void once(int status) {
            if (code != null) {
                return;
            }
            code = status;
            hooks.forEach(Runnable::run);
            OUT.close();
            ERR.close();
        }

        void now(int status) {
            once(status);
            throw new Ended();
        }
    }

    /** Unwinds a tool that asked to exit. */
    private static final class Ended extends Error {
        Ended() {
            super("exit", null, false, false);
        }
    }

    /** Where the running call prints; between calls, what is printed goes nowhere. */
    private static final class Capture extends OutputStream {
        private ByteArrayOutputStream sink = new ByteArrayOutputStream();
        private boolean closed = true;

        synchronized void open() {
            sink = new ByteArrayOutputStream();
            closed = false;
        }

        @Override
        public synchronized void write(int value) {
            if (!closed) {
                sink.write(value);
            }
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int length) {
            if (!closed) {
                sink.write(bytes, from, length);
            }
        }

        @Override
        public synchronized void close() {
            closed = true;
        }

        synchronized String text() {
            return sink.toString(StandardCharsets.UTF_8);
        }
    }

    /** The tools' own classes anew for each call: some of them count in static fields. */
    private static final class Fresh extends URLClassLoader {
        Fresh(ClassLoader parent) {
            super(classPath(), parent);
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("org.apache.kafka.tools.") && !name.startsWith("kafka.")) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> found = findLoadedClass(name);
                return found != null ? found : findClass(name);
            }
        }

        private static URL[] classPath() {
            List<URL> urls = new ArrayList<>();
            for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
                try {
                    urls.add(new File(entry).toURI().toURL());
                } catch (IOException impossible) {
                    throw new IllegalStateException(impossible);
                }
            }
            return urls.toArray(new URL[0]);
        }
    }
}
