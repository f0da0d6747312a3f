// kafka-get-offsets at several times in one JVM: GetOffsets BOOTSTRAP TOPIC TIME...
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.GetOffsetShell;

public final class GetOffsets {
    public static void main(String[] args) {
        Exit.setExitProcedure((code, message) -> {
            if (code != 0) System.out.println("exit code " + code);
        });
        for (int i = 2; i < args.length; i++) {
            System.out.println("time " + args[i]);
            GetOffsetShell.main("--bootstrap-server", args[0], "--topic", args[1], "--time", args[i]);
        }
    }
}
